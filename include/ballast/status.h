/* Status codes and error text shared by the library and its users.
 *
 * One list (BAL_STATUS_LIST) yields the enum, the names and the sentences. Functions that can fail
 * return a bal_status and take a bal_error as their last parameter; on failure every output is left
 * untouched and the error holds one sentence: what was wanted, what was found, what to do. */
#ifndef BALLAST_STATUS_H
#define BALLAST_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BAL_WARN_UNUSED __attribute__((warn_unused_result))
#define BAL_PRINTF(format_index, first_arg) \
    __attribute__((format(printf, format_index, first_arg)))
#define BAL_API __attribute__((visibility("default")))
#else
#define BAL_WARN_UNUSED
#define BAL_PRINTF(format_index, first_arg)
#define BAL_API
#endif

/* code, value, sentence. Values are part of the ABI: never renumber. */
#define BAL_STATUS_LIST(X)                                             \
    X(BAL_OK, 0, "success")                                            \
    X(BAL_EINVAL, -1, "invalid argument")                              \
    X(BAL_ENOMEM, -2, "out of memory")                                 \
    X(BAL_EIO, -3, "storage could not be read or written")             \
    X(BAL_EFORMAT, -4, "malformed file")                               \
    X(BAL_EDATA, -5, "data cannot be used as asked")                   \
    X(BAL_ERECIPE, -6, "recipe or command line is wrong")              \
    X(BAL_ENOTFOUND, -7, "not found")                                  \
    X(BAL_EOVERFLOW, -8, "size too large")                             \
    X(BAL_EUNSUPPORTED, -9, "not supported")                           \
    X(BAL_ECANCELED, -10, "cancelled")                                 \
    X(BAL_EDEVICE, -11, "device failure")                              \
    X(BAL_ECOLLAPSED, -12, "training collapsed and was not recovered") \
    X(BAL_EINTERNAL, -13, "internal error")

typedef enum bal_status {
#define BAL_STATUS_ENUM(code, value, text) code = value,
    BAL_STATUS_LIST(BAL_STATUS_ENUM)
#undef BAL_STATUS_ENUM
} bal_status;

/** One failure. Caller-owned, zero-initialised (`bal_error err = {0}`); the first failure wins. */
typedef struct bal_error {
    bal_status status;
    char message[1024]; /* UTF-8, one sentence or a few lines, no trailing newline */
} bal_error;

/** Name of a code ("BAL_EINVAL"); "BAL_UNKNOWN" for a number that is none of ours. */
BAL_API const char *bal_status_name(bal_status status);

/** Sentence for a code ("invalid argument"). */
BAL_API const char *bal_status_text(bal_status status);

#ifdef __cplusplus
}
#endif
#endif
