/* base/file.c and base/path.c. The heart: fail each system call of a replacement in turn; the old
 * bytes must be intact and nothing may be left lying about. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "scratch.h"

static char *folder; /* fresh for every test */

static int setup(void **state) {
    folder = scratch_new();
    return 0;
}

static int teardown(void **state) {
    bal_file_fail_after(-1);
    bal_memory_fail_after(-1);
    scratch_free(folder);
    return 0;
}

/* A path below the scratch folder; one of four buffers in turn. */
static const char *at(const char *name) {
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int entries(void) {
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2; /* . and .. */
}

static void put(const char *name, const char *text) {
    bal_error err = {0};
    if (bal_file_replace(at(name), text, strlen(text), &err) != BAL_OK) fail_msg("%s", err.message);
}

static void expect_content(const char *name, const void *bytes, size_t size) {
    bal_error err = {0};
    char *data = NULL;
    size_t got = 0;
    if (bal_file_read(at(name), 1 << 26, &data, &got, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(got, size);
    assert_memory_equal(data, bytes, size);
    assert_int_equal(data[size], '\0');
    bal_free(data);
}

static void expect_text(const char *name, const char *text) {
    expect_content(name, text, strlen(text));
}

/* --- reading --- */

static void reads_whole_files(void **state) {
    put("empty", "");
    expect_text("empty", "");
    put("a", "line\n");
    expect_text("a", "line\n");

    char *data = NULL;
    size_t size = 0;
    assert_int_equal(bal_file_read("/proc/self/status", 1 << 20, &data, &size, NULL), BAL_OK);
    assert_true(size > 0 && strlen(data) == size); /* a file whose stated size is 0 */
    bal_free(data);
}

static void read_limits_and_failures(void **state) {
    char *data = NULL;
    size_t size = 99;
    bal_error err = {0};
    put("five", "12345");
    assert_int_equal(bal_file_read(at("five"), 5, &data, &size, NULL), BAL_OK);
    bal_free(data);
    data = NULL;
    size = 99;
    assert_int_equal(bal_file_read(at("five"), 4, &data, &size, &err), BAL_EFORMAT);
    assert_non_null(strstr(err.message, "larger than the 4 bytes"));
    assert_int_equal(bal_file_read("/proc/self/status", 4, &data, &size, NULL), BAL_EFORMAT);

    err = (bal_error){0};
    assert_int_equal(bal_file_read(at("missing"), 10, &data, &size, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, at("missing")));
    assert_int_equal(bal_file_read(folder, 1 << 20, &data, &size, NULL), BAL_EIO);
    bal_memory_fail_after(0);
    assert_int_equal(bal_file_read(at("five"), 10, &data, &size, NULL), BAL_ENOMEM);
    assert_null(data);
    assert_int_equal(size, 99);
}

/* --- replacing --- */

static void writes_in_pieces(void **state) {
    enum { SIZE = 3000000 };
    char *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    bal_file_writer writer;
    assert_int_equal(bal_file_writer_open(&writer, at("big"), NULL), BAL_OK);
    size_t done = 0;
    for (size_t piece = 1; done < SIZE; piece = piece * 3 + 1) {
        size_t size = piece < SIZE - done ? piece : SIZE - done;
        bal_file_writer_put(&writer, bytes + done, size);
        done += size;
    }
    assert_false(bal_path_exists(at("big"))); /* nothing to be seen before commit */
    assert_int_equal(bal_file_writer_commit(&writer, NULL), BAL_OK);
    expect_content("big", bytes, SIZE);
    assert_int_equal(entries(), 1);
    bal_file_writer_abort(&writer);
    expect_content("big", bytes, SIZE); /* abort after commit does nothing */
    free(bytes);
}

static void abort_leaves_the_old_file(void **state) {
    put("a", "old");
    bal_file_writer writer, other;
    assert_int_equal(bal_file_writer_open(&writer, at("a"), NULL), BAL_OK);
    assert_int_equal(bal_file_writer_open(&other, at("a"), NULL), BAL_OK);
    assert_int_equal(entries(), 3); /* two writers of one file do not share a temporary */
    bal_file_writer_put(&writer, "new", 3);
    bal_file_writer_abort(&writer);
    bal_file_writer_abort(&other);
    bal_file_writer_abort(&other);
    bal_file_writer zeroed = {0};
    bal_file_writer_abort(&zeroed);
    expect_text("a", "old");
    assert_int_equal(entries(), 1);
}

static void mode_follows_the_umask(void **state) {
    struct stat facts;
    mode_t before = umask(027);
    put("a", "x");
    umask(before);
    assert_int_equal(stat(at("a"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0640);
}

static void steps_over_leftovers(void **state) {
    char path[600];
    bal_file_writer writer;
    assert_int_equal(bal_file_writer_open(&writer, at("a"), NULL), BAL_OK);
    unsigned number;
    assert_int_equal(sscanf(strrchr(writer.temporary, '-'), "-%u", &number), 1);
    bal_file_writer_abort(&writer);
    for (unsigned i = 1; i <= 3; i++) { /* as a killed process with our pid would leave them */
        snprintf(path, sizeof path, "%s/.a.tmp-%ld-%u", folder, (long)getpid(), number + i);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fclose(file);
    }
    put("a", "fine");
    expect_text("a", "fine");

    char name[256]; /* the longest name a file system takes still has a temporary */
    memset(name, 'n', 255);
    name[255] = '\0';
    put(name, "long");
    expect_text(name, "long");
}

/* Only what a writer has left goes: not hidden files, not folders, not others' names. */
static void leftovers_are_tidied_away(void **state) {
    bal_file_writer writer;
    put("a", "kept");
    put(".hidden", "kept");
    put("b.tmp-1-2", "kept");
    assert_int_equal(bal_folder_make(at(".folder.tmp-1-2"), NULL), BAL_OK);
    assert_int_equal(bal_file_writer_open(&writer, at("a"), NULL), BAL_OK); /* and never finished */
    bal_folder_tidy(folder, "b");                                           /* another's */
    assert_int_equal(entries(), 5);
    bal_folder_tidy(folder, "a");
    assert_int_equal(entries(), 4);
    bal_file_writer_abort(&writer);
    assert_int_equal(bal_file_writer_open(&writer, at("a"), NULL), BAL_OK);
    bal_folder_tidy(folder, NULL);
    assert_int_equal(entries(), 4);
    assert_false(bal_path_exists(writer.temporary));
    bal_file_writer_abort(&writer);
    bal_folder_tidy(at("nowhere"), NULL);
    assert_int_equal(entries(), 4);
}

/* Writes of more than the write-behind buffer, so that put, flush, sync, rename and the folder sync
 * all get their turn. */
static void every_failing_call_leaves_the_old_file(void **state) {
    enum { SIZE = 700000 };
    char *bytes = malloc(SIZE);
    memset(bytes, 'n', SIZE);
    put("a", "old");
    int fail = 0, kept = 0, replaced = 0;
    for (;; fail++) {
        bal_error err = {0};
        bal_file_writer writer;
        bal_file_fail_after(fail);
        assert_int_equal(bal_file_writer_open(&writer, at("a"), &err), BAL_OK);
        bal_file_writer_put(&writer, bytes, 100000);
        bal_file_writer_put(&writer, bytes + 100000, 500000);
        bal_file_writer_put(&writer, bytes + 600000, 100000);
        bal_status status = bal_file_writer_commit(&writer, &err);
        bal_file_fail_after(-1);
        assert_int_equal(status, err.status);
        assert_int_equal(entries(), 1);
        if (status == BAL_OK) break;

        assert_int_equal(status, BAL_EIO);
        assert_non_null(strstr(err.message, "No space left on device"));
        assert_non_null(strstr(err.message, folder));
        if (strstr(err.message, "sync folder")) {
            expect_content("a", bytes, SIZE);
            put("a", "old");
            replaced++;
        } else {
            expect_text("a", "old");
            kept++;
        }
    }
    expect_content("a", bytes, SIZE);
    assert_int_equal(kept, 5); /* three writes, sync, rename */
    assert_int_equal(replaced, 1);
    free(bytes);
}

static void every_failing_allocation_leaves_the_old_file(void **state) {
    put("a", "old");
    for (int fail = 0;; fail++) {
        bal_error err = {0};
        bal_memory_fail_after(fail);
        bal_status status = bal_file_replace(at("a"), "new", 3, &err);
        bal_memory_fail_after(-1);
        assert_int_equal(entries(), 1);
        if (status == BAL_OK) {
            assert_true(fail >= 4);
            break;
        }
        assert_int_equal(status, BAL_ENOMEM);
        assert_int_equal(err.status, BAL_ENOMEM);
    }
    expect_text("a", "new");
}

static void replace_failures(void **state) {
    bal_error err = {0};
    assert_int_equal(bal_file_replace(at("no/such/file"), "x", 1, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, "no/such"));
    assert_int_equal(bal_folder_make(at("taken"), NULL), BAL_OK);
    assert_int_equal(bal_file_replace(at("taken"), "x", 1, NULL), BAL_EIO);
    assert_int_equal(entries(), 1);
}

/* --- logs --- */

static void appends(void **state) {
    assert_int_equal(bal_file_append(at("log"), "one\n", 4, NULL), BAL_OK);
    assert_int_equal(bal_file_append(at("log"), "two\n", 4, NULL), BAL_OK);
    expect_text("log", "one\ntwo\n");
    bal_error err = {0};
    bal_file_fail_after(0);
    assert_int_equal(bal_file_append(at("log"), "lost\n", 5, &err), BAL_EIO);
    assert_non_null(strstr(err.message, "No space left"));
    expect_text("log", "one\ntwo\n");
    assert_int_equal(bal_file_append(at("no/log"), "x", 1, NULL), BAL_ENOTFOUND);
}

/* A limit on file sizes lets the first part of a write through, like a disk that fills up. */
static void half_an_append_is_undone(void **state) {
    char line[200];
    memset(line, 'x', sizeof line);
    put("log", "one\ntwo\n");
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bal_status status = bal_file_append(at("log"), line, sizeof line, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, BAL_EIO);
    expect_text("log", "one\ntwo\n");
}

static void truncates(void **state) {
    bal_error err = {0};
    put("log", "one\ntwo\n");
    bal_file_fail_after(0);
    assert_int_equal(bal_file_truncate(at("log"), 4, NULL), BAL_EIO);
    expect_text("log", "one\ntwo\n");
    assert_int_equal(bal_file_truncate(at("log"), 4, NULL), BAL_OK);
    expect_text("log", "one\n");
    assert_int_equal(bal_file_truncate(at("log"), 4, NULL), BAL_OK);
    assert_int_equal(bal_file_truncate(at("log"), 5, &err), BAL_EDATA);
    expect_text("log", "one\n");
    assert_int_equal(bal_file_truncate(at("log"), UINT64_MAX, NULL), BAL_EDATA);
    assert_int_equal(bal_file_truncate(at("none"), 0, NULL), BAL_ENOTFOUND);
}

/* A named pipe, an alarm every 200 us, and the other end asleep for a while: the calls of this
 * thread are interrupted and writes come back short. The other end runs in a thread that takes no
 * signals. */
enum { PIPE_SIZE = 1 << 20 };

static void on_alarm(int number) {
    (void)number;
}

static bool is_pattern(const char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)data[i] != i % 251) return false;
    }
    return size == PIPE_SIZE;
}

static char *pattern_new(void) {
    char *data = malloc(PIPE_SIZE);
    for (size_t i = 0; data && i < PIPE_SIZE; i++)
        data[i] = (char)(i % 251);
    return data;
}

static bool read_pattern(const char *path) {
    char *data = NULL;
    size_t size = 0;
    if (bal_file_read(path, 1 << 24, &data, &size, NULL) != BAL_OK) return false;
    bool good = is_pattern(data, size);
    bal_free(data);
    return good;
}

static bool append_pattern(const char *path) {
    char *data = pattern_new();
    bool good = data && bal_file_append(path, data, PIPE_SIZE, NULL) == BAL_OK;
    free(data);
    return good;
}

typedef struct pipe_end {
    const char *path;
    int mode; /* how to hold the pipe open while asleep */
    bool (*work)(const char *path);
} pipe_end;

static void *run_pipe_end(void *user) {
    const pipe_end *end = user;
    int fd = open(end->path, end->mode);
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    bool good = end->work(end->path);
    close(fd);
    return good ? user : NULL;
}

static bool run_both(bool (*here)(const char *path), pipe_end there) {
    sigset_t alarm_only, before;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, &before);
    pthread_t thread;
    bool good = pthread_create(&thread, NULL, run_pipe_end, &there) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!good) return false;
    void *result = NULL;
    good = here(there.path);
    pthread_join(thread, &result);
    return good && result;
}

static void interrupted_calls_go_on(void **state) {
    const char *path = at("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    struct sigaction action = {.sa_handler = on_alarm}, before; /* no SA_RESTART */
    sigaction(SIGALRM, &action, &before);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    bool appended = run_both(append_pattern, (pipe_end){path, O_RDONLY, read_pattern});
    bool read = run_both(read_pattern, (pipe_end){path, O_WRONLY, append_pattern});
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_true(appended);
    assert_true(read);
}

/* --- folders and names --- */

static void folders(void **state) {
    bal_error err = {0};
    assert_int_equal(bal_folder_make(at("a/b//c/"), &err), BAL_OK);
    assert_true(bal_path_is_folder(at("a/b/c")));
    assert_int_equal(bal_folder_make(at("a/b/c"), &err), BAL_OK);
    assert_int_equal(bal_folder_make("/", &err), BAL_OK);
    put("file", "x");
    assert_int_equal(bal_folder_make(at("file"), NULL), BAL_EIO);
    assert_int_equal(bal_folder_make(at("file/below"), &err), BAL_EIO);
    assert_non_null(strstr(err.message, "file"));
    assert_int_equal(bal_folder_make("", NULL), BAL_ENOTFOUND);
    bal_memory_fail_after(0);
    assert_int_equal(bal_folder_make(at("x"), NULL), BAL_ENOMEM);
}

static void claims(void **state) {
    bool created = false;
    bal_error err = {0};
    assert_int_equal(bal_folder_claim(at("run-001"), &created, &err), BAL_OK);
    assert_true(created && bal_path_is_folder(at("run-001")));
    assert_int_equal(bal_folder_claim(at("run-001"), &created, &err), BAL_OK);
    assert_false(created);
    assert_int_equal(bal_folder_claim(at("run-001"), NULL, &err), BAL_EINVAL);
    assert_non_null(strstr(err.message, "exists already"));
    created = true;
    assert_int_equal(bal_folder_claim(at("none/run-001"), &created, NULL), BAL_ENOTFOUND);
    assert_true(created); /* untouched by the failure */
    assert_int_equal(bal_folder_claim(at("run-002"), NULL, NULL), BAL_OK);
}

static void path_names(void **state) {
    static const char *const joins[][3] = {
        {"a/b", "c", "a/b/c"}, {"a/b/", "c", "a/b/c"}, {"a", "/c", "/c"},
        {"", "c", "c"},        {"/", "c", "/c"},       {"a", "", "a/"},
    };
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *path = bal_path_join(joins[i][0], joins[i][1]);
        assert_string_equal(path, joins[i][2]);
        bal_free(path);
    }
    static const char *const parts[][3] = {
        {"a", ".", "a"},    {"a/b", "a", "b"}, {"/a", "/", "a"},
        {"a//b", "a", "b"}, {"//a", "/", "a"}, {"/a/b.txt", "/a", "b.txt"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char *path = bal_path_folder(parts[i][0]);
        assert_string_equal(path, parts[i][1]);
        assert_string_equal(bal_path_name(parts[i][0]), parts[i][2]);
        bal_free(path);
    }
    assert_true(bal_path_exists(folder));
    assert_false(bal_path_exists(at("none")));
    assert_false(bal_path_is_folder(at("none")));
    bal_memory_fail_after(0);
    assert_null(bal_path_join("a", "b"));
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(reads_whole_files),
        FILE_TEST(read_limits_and_failures),
        FILE_TEST(writes_in_pieces),
        FILE_TEST(abort_leaves_the_old_file),
        FILE_TEST(mode_follows_the_umask),
        FILE_TEST(steps_over_leftovers),
        FILE_TEST(leftovers_are_tidied_away),
        FILE_TEST(every_failing_call_leaves_the_old_file),
        FILE_TEST(every_failing_allocation_leaves_the_old_file),
        FILE_TEST(replace_failures),
        FILE_TEST(appends),
        FILE_TEST(half_an_append_is_undone),
        FILE_TEST(truncates),
        FILE_TEST(interrupted_calls_go_on),
        FILE_TEST(folders),
        FILE_TEST(claims),
        FILE_TEST(path_names),
    };
    return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
