# SPDX-License-Identifier: Apache-2.0
# ebb_pinned(clang-format variable) sets the variable to the version of a wheel in versions.txt.
function(ebb_pinned name variable)
  file(STRINGS "${CMAKE_SOURCE_DIR}/cmake/versions.txt" lines REGEX "^(small|lint|full) +${name}==")
  if(NOT lines)
    message(FATAL_ERROR "cmake/versions.txt names no ${name}")
  endif()
  string(REGEX REPLACE "^[a-z]+ +[^ =]+==([^ ]+).*" "\\1" version "${lines}")
  set(${variable} "${version}" PARENT_SCOPE)
endfunction()
