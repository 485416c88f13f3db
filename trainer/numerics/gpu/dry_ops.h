// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <array>

// The ops of LibTorch on GPUs that have no kernel for the meta device: tensors of the sizes that they make,
// and workspace of the size that they use. Results have the shapes and strides of those of a GPU.
namespace ebb::numerics::gpu {

// What a fused attention kernel keeps for backward. q [B, heads, T, D].
struct DryAttention {
  at::Tensor out;  // [B, heads, T, D] of [B, T, heads, D] storage
  at::Tensor lse;  // [B, heads, T] in fp32
};
DryAttention dry_attention(const at::Tensor& q);
// The gradients of q, k and v, with the workspace of the flash kernels: sums of dq in fp32, and dk and dv of
// each head of q if k and v have fewer heads. The kernels of cuDNN are assumed to need as much.
// Source: mha_bwd() in aten/src/ATen/native/transformers/cuda/flash_attn/flash_api.cpp.
std::array<at::Tensor, 3> dry_attention_backward(const at::Tensor& q, const at::Tensor& k,
                                                 const at::Tensor& v);
// As at::scaled_dot_product_attention() with its kernels that hold no [T, T].
at::Tensor dry_framework_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

// As at::embedding(). Backward sorts the ids and adds the rows of equal ones in parts. The number of parts
// depends on the ids; the largest is planned.
// Source: embedding_backward_cuda_kernel() in aten/src/ATen/native/cuda/EmbeddingBackwardKernel.cu.
at::Tensor dry_embedding(const at::Tensor& table, const at::Tensor& ids);

}  // namespace ebb::numerics::gpu
