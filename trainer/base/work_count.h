// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb {

// The work of one thread on files: the reads and writes that it has completed. It shows progress within a
// long save or load. Other threads of the process, such as that of the lease, do not change it.

void count_work_of_this_thread();  // from now on, and no longer that of another thread
void count_work();                 // a piece of work is done; has no effect on the other threads
std::uint64_t work_count();        // thread-safe

}  // namespace ebb
