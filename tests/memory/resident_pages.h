// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <gtest/gtest.h>

// Skips a test that compares resident pages with those that the program wrote.
#if defined(EBB_THREAD_SANITIZED)
#define EBB_NEEDS_OWN_RESIDENT_PAGES() GTEST_SKIP() << "the thread sanitizer's shadow memory is resident too"
#else
#define EBB_NEEDS_OWN_RESIDENT_PAGES() static_cast<void>(0)
#endif
