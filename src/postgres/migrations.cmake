# Puts migrations/*.sql into the library, so that the one binary suffices.
file(GLOB migration_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/migrations/*.sql)
set(embedded ${CMAKE_CURRENT_BINARY_DIR}/embedded_migrations.cc)
add_custom_command(
  OUTPUT ${embedded}
  COMMAND ${CMAKE_COMMAND} -DDIRECTORY=${PROJECT_SOURCE_DIR}/migrations -DOUTPUT=${embedded}
          -P ${CMAKE_CURRENT_LIST_DIR}/embed_migrations.cmake
  DEPENDS ${migration_files} ${CMAKE_CURRENT_LIST_DIR}/embed_migrations.cmake
  COMMENT "Embedding the migrations"
  VERBATIM)
target_sources(sealstream_postgres PRIVATE ${embedded})
