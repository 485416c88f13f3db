# SPDX-License-Identifier: Apache-2.0
# Defines LibTorch::CPU, the CPU libraries of LibTorch. Searches CMAKE_PREFIX_PATH first, for a
# LibTorch of the user's own, then the wheel that scripts/setup installs into .deps/.
file(GLOB _wheel "${CMAKE_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch")
find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h PATH_SUFFIXES include HINTS ${_wheel})
find_library(LibTorch_CPU_LIBRARY torch_cpu PATH_SUFFIXES lib HINTS ${_wheel})
find_library(LibTorch_C10_LIBRARY c10 PATH_SUFFIXES lib HINTS ${_wheel})
if(LibTorch_INCLUDE_DIR AND EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" _v REGEX "define TORCH_VERSION \"")
  string(REGEX REPLACE ".*\"([^\"]*)\".*" "\\1" LibTorch_VERSION "${_v}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR VERSION_VAR LibTorch_VERSION)

if(LibTorch_FOUND AND NOT TARGET LibTorch::CPU)
  get_filename_component(LibTorch_LIBRARY_DIR "${LibTorch_CPU_LIBRARY}" DIRECTORY)
  add_library(LibTorch::C10 SHARED IMPORTED)
  set_target_properties(LibTorch::C10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  target_include_directories(LibTorch::C10 SYSTEM INTERFACE
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  add_library(LibTorch::CPU SHARED IMPORTED)
  set_target_properties(LibTorch::CPU PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  # The wheel's libraries find each other by $ORIGIN. The linker needs -rpath-link for that.
  target_link_libraries(LibTorch::CPU INTERFACE LibTorch::C10)
  target_link_options(LibTorch::CPU INTERFACE "LINKER:--allow-shlib-undefined" "LINKER:-rpath-link,${LibTorch_LIBRARY_DIR}")
  # at::parallel_for is a template in a header. In a file compiled without OpenMP it silently runs
  # on one thread. The OpenMP library must be LibTorch's own; otherwise there are two thread pools.
  # Sanitizers do not support OpenMP.
  file(GLOB _openmp "${LibTorch_LIBRARY_DIR}/libgomp*.so*")
  set(LibTorch_OPENMP_LIBRARY "")
  if(_openmp)
    list(GET _openmp 0 LibTorch_OPENMP_LIBRARY)
  endif()
  if(NOT LibTorch_OPENMP_LIBRARY)
    message(WARNING "There is no libgomp beside ${LibTorch_CPU_LIBRARY}, so the build uses the system's. If LibTorch uses another "
      "one, two thread pools share the cores.")
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT EBB_SANITIZE)
    target_compile_options(LibTorch::CPU INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    target_link_libraries(LibTorch::CPU INTERFACE $<IF:$<BOOL:${LibTorch_OPENMP_LIBRARY}>,${LibTorch_OPENMP_LIBRARY},gomp>)
  endif()
endif()
