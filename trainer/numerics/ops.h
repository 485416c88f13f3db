// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "numerics/activation.h"
#include "numerics/attention.h"
#include "numerics/convolution.h"
#include "numerics/head_cross_entropy.h"
#include "numerics/linear.h"
#include "numerics/losses.h"
#include "numerics/matmul.h"
#include "numerics/norm.h"
#include "numerics/random.h"
#include "numerics/resample.h"
#include "numerics/rope.h"
#include "numerics/sequence.h"

// The operators that models call. This contract holds for all of them:
//
// - Devices: CPU, CUDA and meta. On the meta device, outputs and workspace are allocated but not computed.
// - Dtypes: fp16, bf16 and fp32, one for all tensors of a call unless an op differs. The CPU stores 16 bits
//   and accumulates in fp32. It converts block by block in a bounded workspace (memory class workspace), or
//   multiplies bf16 operands directly. It keeps only 16-bit tensors for backward. CUDA computes products and
//   convolutions by cuBLAS and cuDNN in the tensor's dtype.
// - Derivatives: an op states if it has derivatives of any order. Of any other op only first derivatives
//   exist, and a graph of its backward (create_graph) is refused with Error(internal). Ops that consist of
//   LibTorch's operators have the derivatives of these.
// - Errors: shapes, dtypes and devices that do not fit throw Error(internal).
// - Threads: any thread may call them; a call uses at::get_num_threads() threads. Its result does not depend
//   on their number, except the last bits of products that LibTorch's BLAS computes on the CPU: those on
//   processors without AVX-512, and convolutions whose kernel width times channels per group is below 16.
