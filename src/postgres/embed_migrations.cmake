# cmake -DDIRECTORY=<migrations> -DOUTPUT=<file.cc> -P embed_migrations.cmake
file(GLOB files ${DIRECTORY}/*.sql)
list(SORT files)
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"MIGRATION(${text})MIGRATION\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"postgres/embedded_migrations.h\"

namespace sealstream {
namespace {

constexpr EmbeddedFile kFiles[] = {
${entries}};

}  // namespace

std::span<const EmbeddedFile> embedded_migration_files() { return kFiles; }

}  // namespace sealstream
")
