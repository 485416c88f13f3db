# SPDX-License-Identifier: Apache-2.0
# Precompiled headers of the headers that are slow to read. Program and tests each have two: one
# with LibTorch and one without it. Even precompiled, LibTorch costs a file 2 s for the
# templates that the file instantiates.
#
# Each file gets the fitting header by a plain -include. GCC and clang use the precompiled file
# beside the header, or read the header itself if that file does not fit. (CMake supports only one
# precompiled header for all files of a target.)
set(EBB_TEST_FLAGS "$<$<CONFIG:Release>:-O1>")  # a quick build of tests matters more than their speed
if(EBB_SANITIZE)
  set(EBB_TEST_FLAGS -O0)  # halves the time of clang
endif()
if(EBB_SANITIZE MATCHES "undefined")
  # Only the program is checked. The tests are half of the code to compile.
  list(APPEND EBB_TEST_FLAGS -fno-sanitize=undefined)
endif()
if(EBB_FUZZ)
  list(APPEND EBB_TEST_FLAGS -fno-sanitize=fuzzer-no-link)
endif()

# Clang stores absolute paths in a precompiled header, so the files of two checkouts differ. ccache hashes
# this sum in its place (CCACHE_PCH_EXTSUM). The sum covers the headers that the file is made of by the
# versions of the compiler, of LibTorch and of all packages. Without dpkg there is no sum.
function(ebb_write_pch_sum name parts)
  execute_process(COMMAND dpkg-query -W OUTPUT_VARIABLE packages RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    return()
  endif()
  file(READ "${CMAKE_SOURCE_DIR}/cmake/versions.txt" versions)
  string(SHA256 sum "${parts};${CMAKE_CXX_FLAGS};${CMAKE_CXX_FLAGS_RELEASE};${EBB_SANITIZE};${EBB_FUZZ};${versions};${packages}")
  set(file "${CMAKE_BINARY_DIR}/CMakeFiles/${name}.dir/cmake_pch.hxx.pch.sum")
  file(CONFIGURE OUTPUT "${file}" CONTENT "${sum}\n" @ONLY)
endfunction()

# ebb_precompile(NAME LIBRARIES … HEADERS … FLAGS …)
function(ebb_precompile name)
  cmake_parse_arguments(A "" "" "LIBRARIES;HEADERS;FLAGS" ${ARGN})
  file(WRITE "${CMAKE_BINARY_DIR}/pch.cpp" "")
  add_library(${name} OBJECT "${CMAKE_BINARY_DIR}/pch.cpp")
  target_link_libraries(${name} PUBLIC ebb_options ${A_LIBRARIES})
  target_compile_options(${name} PRIVATE ${A_FLAGS})
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Clang refuses a precompiled header if the time stamps of its sources differ. They differ in
    # another checkout and after a new set-up, where ccache returns the file.
    target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    ebb_write_pch_sum(${name} "${A_HEADERS};${A_FLAGS}")
  endif()
  target_precompile_headers(${name} PRIVATE ${A_HEADERS})
endfunction()

if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set(EBB_PCH_SUFFIX pch)
else()
  set(EBB_PCH_SUFFIX gch)
endif()
set(_plain <fmt/format.h> <nlohmann/json.hpp> <algorithm> <chrono> <filesystem> <fstream> <functional> <memory> <optional> <string> <vector>)
# The tensors of LibTorch. torch/torch.h also has modules and optimizers, which ebb does not
# use. Each file would instantiate their templates again, in 9 s instead of 2.
set(_torch <ATen/ATen.h>)
set(_test <gmock/gmock.h> <gtest/gtest.h>)
ebb_precompile(ebb_pch HEADERS ${_plain})
ebb_precompile(ebb_torch_pch LIBRARIES LibTorch::CPU HEADERS ${_torch} ${_plain})
if(EBB_TESTS)
  # A precompiled header and the files that use it must have the same flags.
  ebb_precompile(ebb_test_pch LIBRARIES GTest::gmock HEADERS ${_test} ${_plain} FLAGS ${EBB_TEST_FLAGS})
  ebb_precompile(ebb_test_torch_pch LIBRARIES GTest::gmock LibTorch::CPU HEADERS ${_torch} ${_test} ${_plain} FLAGS ${EBB_TEST_FLAGS})
endif()

# Sets `variable` to whether a file includes LibTorch, directly or through headers of ebb.
# Reads each file once.
function(ebb_reads_torch file variable)
  get_property(known GLOBAL PROPERTY "ebb_reads_torch:${file}")
  if("${known}" STREQUAL "")
    set(known NO)
    set_property(GLOBAL PROPERTY "ebb_reads_torch:${file}" NO)
    file(STRINGS "${file}" lines REGEX "^ *#include [<\"]")
    get_filename_component(here "${file}" DIRECTORY)
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^ *#include [<\"]([^>\"]+)[>\"].*" "\\1" name "${line}")
      if(name MATCHES "^(torch|ATen)/")
        set(known YES)
        break()
      endif()
      foreach(folder "${CMAKE_SOURCE_DIR}/trainer" "${CMAKE_SOURCE_DIR}/tests" "${here}")
        if(name MATCHES "\\.(h|cpp)$" AND EXISTS "${folder}/${name}")
          get_filename_component(next "${folder}/${name}" REALPATH)
          ebb_reads_torch("${next}" known)
          break()
        endif()
      endforeach()
      if(known)
        break()
      endif()
    endforeach()
    set_property(GLOBAL PROPERTY "ebb_reads_torch:${file}" ${known})
  endif()
  set(${variable} ${known} PARENT_SCOPE)
endfunction()

# ebb_use_precompiled(TARGET [TEST]) selects the header of each file. If a file starts to include
# LibTorch, it only compiles slowly until CMake runs again.
function(ebb_use_precompiled target)
  if("TEST" IN_LIST ARGN)
    set(prefix ebb_test)
  else()
    set(prefix ebb)
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    get_filename_component(file "${source}" REALPATH BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
    get_source_file_property(skipped "${source}" SKIP_PRECOMPILE_HEADERS)
    get_source_file_property(flags "${source}" COMPILE_OPTIONS)
    if(skipped OR "-include" IN_LIST flags)  # another target of this folder may have set it
      continue()
    endif()
    ebb_reads_torch("${file}" reads)
    if(reads)
      set(pch ${prefix}_torch_pch)
      set(options)
    else()
      set(pch ${prefix}_pch)
      set(options -fno-openmp)  # LibTorch::CPU sets -fopenmp, which this header does not have
    endif()
    set(header "${CMAKE_BINARY_DIR}/CMakeFiles/${pch}.dir/cmake_pch.hxx")
    set_property(SOURCE "${source}" APPEND PROPERTY COMPILE_OPTIONS ${options} -Winvalid-pch -include "${header}")
    set_property(SOURCE "${source}" APPEND PROPERTY OBJECT_DEPENDS "${header}.${EBB_PCH_SUFFIX}")
    add_dependencies(${target} ${pch})
  endforeach()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    # CMake compiles executables with -fPIE. The compiler uses a precompiled header only if such
    # flags are the same.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()
