# The tests run with the Python that the module is built for; the server is a program of their own.
find_package(Threads REQUIRED)
add_executable(python_test_server ${CMAKE_CURRENT_LIST_DIR}/test_server.c)
target_link_libraries(python_test_server PRIVATE beamcast_flags Beamcast::transport Threads::Threads)

# NAME [QUICK] [TIMEOUT seconds] [LABELS label]
function(python_test name)
  beamcast_test(NAME python_${name} ${ARGN}
    COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/test_${name}.py
    ENVIRONMENT PYTHONPATH=${CMAKE_CURRENT_BINARY_DIR} PYTHONDONTWRITEBYTECODE=1
      BEAMCAST_TEST_SERVER=$<TARGET_FILE:python_test_server>)
endfunction()
python_test(roundtrip QUICK)
python_test(memory QUICK)
python_test(producers QUICK)
python_test(errors QUICK)
python_test(example)
if(TARGET Beamcast::session)
  python_test(session TIMEOUT 300 LABELS paraview)
  python_test(notebook TIMEOUT 600 LABELS paraview)
endif()
python_test(wheel TIMEOUT 900)
