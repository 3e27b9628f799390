# Warnings for our own code, and sanitizers where asked. Link beamcast_flags PRIVATE to every target.
add_library(beamcast_flags INTERFACE)
target_compile_options(beamcast_flags INTERFACE
  $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra -Wshadow -Wvla>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes>
  $<$<AND:$<BOOL:${BEAMCAST_WERROR}>,$<COMPILE_LANGUAGE:C,CXX>>:-Werror>)
target_compile_definitions(beamcast_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:_GNU_SOURCE>)
if(BEAMCAST_SANITIZE)
  target_compile_options(beamcast_flags INTERFACE -fsanitize=${BEAMCAST_SANITIZE} -fno-omit-frame-pointer -g
    -fno-sanitize-recover=all)
  target_link_options(beamcast_flags INTERFACE -fsanitize=${BEAMCAST_SANITIZE})
endif()
if(BEAMCAST_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "BEAMCAST_FUZZ needs clang: configure with `cmake --preset fuzz`.")
  endif()
  target_compile_options(beamcast_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
