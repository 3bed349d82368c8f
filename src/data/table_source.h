/* Where tables come from: one function per kind of source, and what they share. Private to
 * src/data/. */
#ifndef BAL_DATA_TABLE_SOURCE_H
#define BAL_DATA_TABLE_SOURCE_H

#include "data/table.h"

/** Each fills a zeroed table as far as it gets; the caller frees it on failure. */
bal_status bal_table_from_csv(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err);
bal_status bal_table_from_npz(const bal_table_options *options, const bal_log_sink *log,
                              bal_table *table, bal_error *err);

bal_status bal_table_from_sequence(const bal_table_options *options, const bal_log_sink *log,
                                   bal_table *table, bal_error *err);

/** Room for rows × features and for names and columns; features stay where table->x is set. */
bal_status bal_table_allocate(bal_table *table, const char *source, int64_t rows, int32_t features,
                              int32_t columns, bal_error *err);

/** Copy text into a column, one pool for all; text[row] NULL or "" is missing. */
bal_status bal_column_set_text(bal_column *column, const char *const *text, int64_t rows,
                               bal_error *err);

/** What any failure to read a file means to someone who wants data: BAL_EDATA, said anew for a
 *  file that is not there. Running out of memory stays what it is. */
bal_status bal_table_source_failed(bal_status status, const char *path, bal_error *err);

#endif
