/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c: runs a harness over files: replay DIRECTORY-OR-FILE...
 *
 * For machines without libFuzzer, and for every run of the tests: what was ever found stays found.
 * The harness runs in a child, and the parent names the input that killed it. Each input lies in
 * memory of exactly its size, so that a sanitizer sees a read behind its end. Exit: 0 if the child
 * took all inputs, 1 if one killed it, 2 if there was nothing to read. */
#include "common/base/own.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PATH_SIZE = 1024, INPUT_SIZE_MAX = 16 * 1024 * 1024 };

/* Shared with the child: what it is at. */
struct progress {
    char path[PATH_SIZE];
    uint32_t input_count;
};

static void replay_file(struct progress *progress, const char *path, size_t size)
{
    OWN(mem_freep) uint8_t *input = size > 0 ? mem_alloc(size) : NULL;
    FILE *file = fopen(path, "rb");

    CHECK(file != NULL && size <= INPUT_SIZE_MAX);
    CHECK(fread(input ? input : (uint8_t *)"", 1, size, file) == size);
    fclose(file);
    snprintf(progress->path, sizeof progress->path, "%s", path);
    progress->input_count++;
    LLVMFuzzerTestOneInput(input, size);
}

static void replay(struct progress *progress, const char *path);

static void replay_directory(struct progress *progress, const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        char name[PATH_SIZE];

        if (entry->d_name[0] == '.') continue;
        CHECK(snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name);
        replay(progress, name);
    }
    closedir(directory);
}

/* A path that does not exist holds no inputs: not every harness has a regression folder. */
static void replay(struct progress *progress, const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0) return;
    if (S_ISDIR(status.st_mode)) {
        replay_directory(progress, path);
    } else {
        replay_file(progress, path, (size_t)status.st_size);
    }
}

int main(int argc, char **argv)
{
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t child;

    CHECK(progress != MAP_FAILED);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 1; i < argc; i++) {
            replay(progress, argv[i]);
        }
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "%s: this input was not survived\n", progress->path);
        return 1;
    }
    if (progress->input_count == 0) {
        fprintf(stderr, "no inputs\n");
        return 2;
    }
    printf("%u inputs survived\n", progress->input_count);
    return 0;
}
