# SPDX-License-Identifier: Apache-2.0
# Compresses the console's files and writes them down as C:
#
#     cmake -D FOLDER=scheduler/console -D "FILES=index.html;app.js;..." -D GZIP=gzip
#           -D OUTPUT=assets.c -P embed.cmake
#
# The release is a hash over names and contents. In index.html @RELEASE@ stands for it, and
# @STYLES@ for a line per style sheet, @PRELOADS@ for one per module, so that a browser fetches all
# of them at once instead of finding one in the other.
get_filename_component(work ${OUTPUT} DIRECTORY)

set(all "")
set(styles "")
set(preloads "")
foreach(path IN LISTS FILES)
    file(SHA256 ${FOLDER}/${path} digest)
    string(APPEND all "${path} ${digest}\n")
    if(path MATCHES "\\.css$")
        string(APPEND styles "<link rel=\"stylesheet\" href=\"/console/@RELEASE@/${path}\">\n")
    elseif(path MATCHES "\\.js$" AND NOT path STREQUAL "theme.js")
        string(APPEND preloads "<link rel=\"modulepreload\" href=\"/console/@RELEASE@/${path}\">\n")
    endif()
endforeach()
string(SHA256 release "${all}")
string(SUBSTRING ${release} 0 16 release)

# asset(PATH FILE): what is served under PATH, as an array and a row.
set(arrays "")
set(rows "")
set(count 0)
macro(asset path file)
    execute_process(COMMAND ${GZIP} -9 -n -c ${file} OUTPUT_FILE ${work}/packed.gz
                    COMMAND_ERROR_IS_FATAL ANY)
    file(SHA256 ${file} digest)
    string(SUBSTRING ${digest} 0 32 digest)
    file(SIZE ${file} size)
    file(SIZE ${work}/packed.gz packed_size)
    file(READ ${work}/packed.gz hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
    string(REGEX REPLACE "(................................................................................)"
                         "\\1\n    " hex "${hex}")
    string(APPEND arrays "static const unsigned char asset_${count}[] = {\n    ${hex}\n};\n\n")
    string(APPEND rows
           "    { \"${path}\", \"${digest}\", asset_${count}, ${packed_size}, ${size} },\n")
    math(EXPR count "${count} + 1")
endmacro()

file(READ ${FOLDER}/index.html page)
string(REPLACE "@STYLES@\n" "${styles}" page "${page}")
string(REPLACE "@PRELOADS@\n" "${preloads}" page "${page}")
string(REPLACE "@RELEASE@" "${release}" page "${page}")
file(WRITE ${work}/index.html "${page}")
asset(index.html ${work}/index.html)
list(REMOVE_ITEM FILES index.html)
foreach(path IN LISTS FILES)
    asset(${path} ${FOLDER}/${path})
endforeach()

file(WRITE ${OUTPUT}
     "/* Made from scheduler/console. */\n"
     "#include \"scheduler/console/assets.h\"\n\n"
     "${arrays}const struct asset assets[] = {\n${rows}};\n"
     "const size_t asset_count = ${count};\n"
     "const char assets_release[] = \"${release}\";\n")
