# What every test gets: Open MPI as root and with more ranks than cores, ranks not bound to cores
# (two jobs would share one). The OMPI names are Open MPI 4's, the PRTE names Open MPI 5's.
set(BEAMCAST_TEST_ENVIRONMENT
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
  OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_btl=^tcp
  PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none)

# beamcast_test(NAME name COMMAND ... [QUICK] [TIMEOUT seconds] [LABELS ...] [ENVIRONMENT ...] [COST seconds])
# Tests run beside each other: each has screens, ports, folders and shared memory of its own.
# A test exits 0 (passed), 77 (skipped; its last line names what is missing) or anything else (failed).
# QUICK tests make up `./check --quick`. Those with the label `sanitize` run in the asan and tsan
# builds too.
function(beamcast_test)
  cmake_parse_arguments(PARSE_ARGV 0 T "QUICK" "NAME;TIMEOUT;COST" "COMMAND;LABELS;ENVIRONMENT")
  if(NOT BEAMCAST_TESTS)
    return()
  endif()
  add_test(NAME ${T_NAME} COMMAND ${T_COMMAND})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  if(T_QUICK)
    list(APPEND T_LABELS quick)
  endif()
  set_tests_properties(${T_NAME} PROPERTIES TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 77 LABELS "${T_LABELS}"
    ENVIRONMENT "${BEAMCAST_TEST_ENVIRONMENT};${T_ENVIRONMENT}")
  if(T_COST) # long ones start first
    set_tests_properties(${T_NAME} PROPERTIES COST ${T_COST})
  endif()
endfunction()

# beamcast_fuzzer(NAME fuzz_thing SOURCES ... LINK ...)
# A libFuzzer program, built where BEAMCAST_FUZZ is on. Its seeds lie in the folder corpus/thing beside it.
function(beamcast_fuzzer)
  cmake_parse_arguments(PARSE_ARGV 0 F "" "NAME" "SOURCES;LINK")
  if(NOT BEAMCAST_FUZZ)
    return()
  endif()
  add_executable(${F_NAME} ${F_SOURCES})
  target_link_libraries(${F_NAME} PRIVATE beamcast_flags ${F_LINK})
  target_link_options(${F_NAME} PRIVATE -fsanitize=fuzzer)
endfunction()
