# The cuda back end, where nvcc is found. nvcc is called by hand and not as a CMake language, so that
# whatever links this library needs no CUDA itself.
set(xac_cuda OFF)
if(BEAMCAST_CUDA)
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND AND CUDAToolkit_NVCC_EXECUTABLE AND TARGET CUDA::cudart_static)
    set(xac_cuda ON)
  endif()
endif()
if(xac_cuda)
  set(BEAMCAST_CUDA_ARCHITECTURES 90a CACHE STRING "GPU architectures of the cuda back end (80;90a)")
  set(codes)
  foreach(architecture IN LISTS BEAMCAST_CUDA_ARCHITECTURES)
    list(APPEND codes -gencode=arch=compute_${architecture},code=sm_${architecture})
  endforeach()
  set(object ${CMAKE_CURRENT_BINARY_DIR}/xac_cuda.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} -c ${CMAKE_CURRENT_SOURCE_DIR}/xac_cuda.cu -o ${object} -O3 -std=c++17
      ${codes} -Xcompiler -fPIC,-fvisibility=hidden,-Wall -I${CMAKE_CURRENT_SOURCE_DIR} -I${CMAKE_SOURCE_DIR}/core
    DEPENDS xac_cuda.cu xac_cuda_brick.h xac_cuda_upload.h xac_landing.h ${CMAKE_SOURCE_DIR}/core/beamcast_landing.h xac_cuda_kernel.cuh xac_cuda.h xac_nvrtc.h xac_user.h xac_internal.h xac_kernel.h xac_packet.h xac_shared.h xac_cpu.h xac.h
    COMMENT "Compiling the cuda back end" VERBATIM)
  target_sources(beamcast_xac PRIVATE ${object})
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  target_link_libraries(beamcast_xac PRIVATE $<BUILD_INTERFACE:CUDA::cudart_static> stdc++)
  message(STATUS "Beamcast: cuda back end for ${BEAMCAST_CUDA_ARCHITECTURES}")
else()
  target_sources(beamcast_xac PRIVATE xac_cuda_none.c)
  message(STATUS "Beamcast: no cuda back end (no CUDA toolkit, or BEAMCAST_CUDA is off)")
endif()
