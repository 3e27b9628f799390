# The tests run with the Python that the module is built for; the server is a program of their own.
find_package(Threads REQUIRED)
add_executable(python_test_server ${CMAKE_CURRENT_LIST_DIR}/test_server.c)
target_link_libraries(python_test_server PRIVATE beamcast_flags Beamcast::transport Threads::Threads)

function(python_test name)
  beamcast_test(NAME python_${name} QUICK
    COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/test_${name}.py ${ARGN}
    ENVIRONMENT PYTHONPATH=${CMAKE_CURRENT_BINARY_DIR} PYTHONDONTWRITEBYTECODE=1
      BEAMCAST_TEST_SERVER=$<TARGET_FILE:python_test_server>)
endfunction()
python_test(roundtrip)
python_test(memory)
python_test(producers)
python_test(errors)
