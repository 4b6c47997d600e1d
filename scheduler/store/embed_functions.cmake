# SPDX-License-Identifier: Apache-2.0
# Joins functions/*.lua into one C string: cmake -D OUTPUT=... -D FILES=a;b -P this.
# Written as numbers, because the standard bounds the length of a string literal.
set(all "")
foreach(file IN LISTS FILES)
    file(READ ${file} hex HEX)
    string(APPEND all "${hex}")
endforeach()
string(REGEX REPLACE "(..)" "0x\\1," all "${all}")
string(REGEX REPLACE "(................................................................................)"
                     "\\1\n    " all "${all}")
file(WRITE ${OUTPUT}
     "/* Made from scheduler/store/functions. */\n"
     "#include \"scheduler/store/store_private.h\"\n\n"
     "const char store_functions[] = {\n    ${all}0,\n};\n")
