/* Reading tables: the grammar, what is found out, what is refused and how, gzip, memory failure,
 * and real files where there are any. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/memory.h"
#include "format/csv.h"
#include "scratch.h"

static bal_csv_options with_header(bal_csv_header header) {
    return (bal_csv_options){.header = header};
}

static const bal_csv_options no_header = {.header = BAL_CSV_HEADER_NO};
static const bal_csv_options yes_header = {.header = BAL_CSV_HEADER_YES};

static bal_csv parse(const char *text, const bal_csv_options *options) {
    bal_csv csv = {0};
    bal_error err = {0};
    bal_status status = bal_csv_parse(text, strlen(text), "t.csv", options, &csv, &err);
    if (status != BAL_OK) fail_msg("%s", err.message);
    return csv;
}

/* The text must be refused with this status and this beginning of a message. */
static void refuse_bytes(const char *bytes, size_t size, const bal_csv_options *options,
                         bal_status wanted, const char *message) {
    bal_csv csv = {.rows = 77};
    bal_error err = {0};
    assert_int_equal(bal_csv_parse(bytes, size, "t.csv", options, &csv, &err), wanted);
    if (strncmp(err.message, message, strlen(message)) != 0)
        fail_msg("wanted: %s\nfound:  %s", message, err.message);
    assert_int_equal(csv.rows, 77); /* untouched */
}

static void refuse(const char *text, const bal_csv_options *options, bal_status wanted,
                   const char *message) {
    refuse_bytes(text, strlen(text), options, wanted, message);
}

/* All cells, rows joined by / and cells by |, names first, for comparing whole tables. */
static void check_cells(const char *text, const bal_csv_options *options, const char *wanted) {
    bal_csv csv = parse(text, options);
    bal_text found = {0};
    for (size_t c = 0; c < csv.columns; c++)
        bal_text_printf(&found, "%s%s", c ? "|" : "", csv.column[c].name);
    for (size_t r = 0; r < csv.rows; r++) {
        for (size_t c = 0; c < csv.columns; c++)
            bal_text_printf(&found, "%s%s", c ? "|" : "/", bal_csv_text(&csv, r, c));
    }
    assert_string_equal(found.data, wanted);
    bal_text_release(&found);
    bal_csv_release(&csv);
}

/* --- grammar --- */

static void test_line_ends(void **state) {
    check_cells("a,b\n1,2\n3,4\n", NULL, "a|b/1|2/3|4");
    check_cells("a,b\r\n1,2\r\n3,4\r\n", NULL, "a|b/1|2/3|4");
    check_cells("a,b\r1,2\r3,4\r", NULL, "a|b/1|2/3|4");
    check_cells("a,b\n1,2\n3,4", NULL, "a|b/1|2/3|4"); /* no end of the last line */
    check_cells("a,b\r\n1,2\n3,\r\n", NULL, "a|b/1|2/3|");
}

static void test_quotes(void **state) {
    check_cells("a,b\n\"x,y\",1\n", NULL, "a|b/x,y|1");
    check_cells("a,b\n\"say \"\"hi\"\"\",1\n", NULL, "a|b/say \"hi\"|1");
    check_cells("a,b\n\"\"\"\",1\n", NULL, "a|b/\"|1");
    check_cells("a,b\n\"two\nlines\",1\n", NULL, "a|b/two\nlines|1");
    check_cells("a,b\n\"\",\"\"\n", NULL, "a|b/|");
    check_cells("a,b\n\"1\" ,\"2\"\t\n", NULL, "a|b/1|2"); /* blanks behind a closing quote */
    check_cells("a,b\n5\" disk,x\"y\"\n", NULL, "a|b/5\" disk|x\"y\""); /* not at the beginning */
    check_cells("\"a\",\"b\"\n\"1\",\"2\"", NULL, "a|b/1|2");
}

static void test_blank_lines_are_skipped(void **state) {
    bal_csv csv = parse("\n  \na,b\n\n1,2\n\t\n\n3,4\n\n", NULL);
    assert_int_equal(csv.rows, 2);
    assert_int_equal(csv.blank_lines, 6);
    assert_int_equal(bal_csv_line(&csv, 0), 5);
    assert_int_equal(bal_csv_line(&csv, 1), 8);
    bal_csv_release(&csv);
    check_cells("a\tb\n\t\n", NULL, "a|b/|"); /* the tab separates two empty cells */
    check_cells("a\n\"\"\nx\n", &yes_header, "a//x");
}

static void test_line_numbers_count_breaks_in_quotes(void **state) {
    bal_csv csv = parse("a,b\r\n\"1\r\n2\n3\r4\",5\r\nx,6\r\n", &yes_header);
    assert_int_equal(bal_csv_line(&csv, 0), 2);
    assert_int_equal(bal_csv_line(&csv, 1), 6);
    bal_csv_release(&csv);
}

static void test_byte_order_mark(void **state) {
    check_cells("\xef\xbb\xbf"
                "a,b\n1,2\n",
                NULL, "a|b/1|2");
    check_cells("\xef\xbb\xbf\"a\",b\n1,2\n", NULL, "a|b/1|2");
}

static void test_separators_are_found(void **state) {
    check_cells("a;b\n1,5;2,5\n3,5;4\n", NULL, "a|b/1,5|2,5/3,5|4");
    check_cells("1,5;2,5;3,5\n4,5;5,5;6,5\n", NULL, "c1|c2|c3/1,5|2,5|3,5/4,5|5,5|6,5");
    check_cells("a\tb c\n1\t2,3\n", NULL, "a|b c/1|2,3");
    check_cells("a|b\n1|2\n", NULL, "a|b/1|2");
    check_cells("name,note\nx,a;b\ny,\"c;d;e\"\nz,\n", NULL, "name|note/x|a;b/y|c;d;e/z|");
    check_cells("note,n\n\"a\tb\",1\n\"c\td\",2\n", NULL, "note|n/a\tb|1/c\td|2");
    check_cells("a\"\"b;c,d,e\n1;2\n", NULL, "a\"\"b|c,d,e/1|2");
    check_cells("\"a\"\";b\",c\n\"d\"\";e\",f\n", &no_header, "c1|c2/a\";b|c/d\";e|f");
    check_cells("\"p\nq\",1;2\n\"r\ns\",3;4\n", &no_header, "c1|c2/p\nq|1;2/r\ns|3;4");
    check_cells("\"p\nq\"\t1\n\"r\ns\"\t2\n", &no_header, "c1|c2/p\nq|1/r\ns|2");
    check_cells("a,b;c\n1,2;3\n4,5\";6\n", NULL, "a,b|c/1,2|3/4,5\"|6");
    check_cells("one\ntwo\n", &no_header, "c1/one/two");
    check_cells("a;b", NULL, "a|b");
    const bal_csv_options comma = {.separator = ',', .header = BAL_CSV_HEADER_NO};
    check_cells("1;2,3\n", &comma, "c1|c2/1;2|3");
    const bal_csv_options colon = {.separator = ':', .header = BAL_CSV_HEADER_NO};
    check_cells("1:2\n", &colon, "c1|c2/1|2");
}

/* More than the detector's sample, so that it ends inside a record. */
static void test_separator_of_a_long_file(void **state) {
    bal_text text = {0};
    bal_text_puts(&text, "n;text\n");
    for (int i = 0; i < 20000; i++)
        bal_text_printf(&text, "%d;\"a,b\n%d\"\n", i, i);
    bal_csv csv = parse(text.data, NULL);
    assert_int_equal(csv.separator, ';');
    assert_int_equal(csv.rows, 20000);
    assert_string_equal(bal_csv_text(&csv, 19999, 1), "a,b\n19999");
    assert_true(bal_csv_number(&csv, 19999, 0) == 19999);
    assert_int_equal(bal_csv_line(&csv, 19999), 2 + 2 * 19999);
    bal_csv_release(&csv);
    bal_text_release(&text);
}

/* Long records: a sample that ends inside one must not count it. */
static void test_separator_of_long_records(void **state) {
    bal_text text = {0};
    for (int i = 0; i < 100; i++)
        bal_text_printf(&text, "a,%01000d;b\n", i);
    bal_csv csv = parse(text.data, &no_header);
    assert_int_equal(csv.separator, ';');
    bal_csv_release(&csv);
    bal_text_release(&text);
}

/* --- header --- */

static void check_header(const char *text, bool wanted) {
    bal_csv csv = parse(text, NULL);
    if (csv.has_header != wanted) fail_msg("header %d for: %s", csv.has_header, text);
    bal_csv_release(&csv);
}

static void test_header_is_found(void **state) {
    check_header("id,name\n1,x\n2,y\n", true);
    check_header(",a,b\n0,1,2\n1,3,4\n", true);              /* unnamed row index */
    check_header("a,b,\n1,2,\n3,4,\n", true);                /* separator at every line end */
    check_header("Letter,1,2,3\nT,2,8,3\nI,5,12,3\n", true); /* numbered columns */
    check_header("id,2019,total\n1,5,6\n2,7,8\n", true);     /* fewer numbers than names */
    check_header("first,last\nada,lovelace\nalan,turing\n", true);
    check_header("a,b\n", true);
    check_header("id,1,2,3\n1,5,6,7\n", true);
    check_header(",a\nx,b\ny,c\n", true);
    check_header("value\n1.5\nNA\n", true);
}

static void test_no_header_is_found(void **state) {
    check_header("1,2\n3,4\n", false);
    check_header("1,2,3\n4,5,6\n", false);
    check_header("T,2,8,3\nI,5,12,3\nT,1,1,1\n", false);
    check_header("5,abc,3,4\n1,2,3,4\n", false);      /* a bad cell, not a header */
    check_header("yes,no\nno,yes\nyes,yes\n", false); /* the names come again */
    check_header("x,\ny,z\n", false);
    check_header("a,5\nb,6\n", false);
    check_header("abc,5\n1,2\n", false);
    check_header("2016-11-20,x\n2016-11-21,y\n", false);
    check_header("1\n", false);
}

static void test_names(void **state) {
    check_cells(" a , b\t,,c\n1,2,3,4\n", &yes_header, "a|b|c3|c/1|2|3|4");
    check_cells("1,2\n", &no_header, "c1|c2/1|2");
    bal_csv csv = parse("alpha,beta,gamma\n1,2,3\n", NULL);
    size_t column = 9;
    bal_error err = {0};
    assert_int_equal(bal_csv_find(&csv, "gamma", &column, &err), BAL_OK);
    assert_int_equal(column, 2);
    assert_int_equal(bal_csv_find(&csv, "bata", &column, &err), BAL_EDATA);
    assert_string_equal(err.message, "t.csv: no column 'bata'; did you mean 'beta'?");
    bal_error_clear(&err);
    assert_int_equal(bal_csv_find(&csv, "x", &column, &err), BAL_EDATA);
    assert_string_equal(err.message, "t.csv: no column 'x' among the 3 from 'alpha' to 'gamma'");
    assert_int_equal(column, 2);
    bal_csv_release(&csv);
}

static void test_duplicate_names_are_refused(void **state) {
    refuse("\nid,x,y,x,y\n1,2,3,4,5\n", NULL, BAL_EDATA,
           "t.csv:2: columns 2 and 4 are both named 'x'; rename one");
    refuse("a, a\n1,2\n", &yes_header, BAL_EDATA, "t.csv:1: columns 1 and 2 are both named 'a'");
}

/* --- values --- */

static void test_column_types(void **state) {
    bal_csv csv = parse("i,f,e,t,m,empty\n1,.5,1e3,x,1,\n-2, 2.25 ,\"+4E-2\",3,NA,\n", NULL);
    const double f[] = {.5, 2.25}, e[] = {1000, .04};
    assert_true(csv.column[0].numbers[1] == -2);
    for (int r = 0; r < 2; r++) {
        assert_true(csv.column[1].numbers[r] == f[r]);
        assert_true(csv.column[2].numbers[r] == e[r]);
    }
    assert_null(csv.column[3].numbers);
    assert_int_equal(csv.column[3].texts, 1);
    assert_int_equal(csv.column[3].text_row, 0);
    assert_true(isnan(bal_csv_number(&csv, 0, 3)));
    assert_true(bal_csv_number(&csv, 1, 3) == 3); /* a number in a text column */
    assert_true(isnan(csv.column[4].numbers[1]));
    assert_int_equal(csv.column[4].missing, 1);
    assert_int_equal(csv.column[5].missing, 2); /* nothing at all: numeric, all missing */
    assert_true(isnan(csv.column[5].numbers[0]));
    bal_csv_release(&csv);
}

static void test_missing_words(void **state) {
    bal_csv csv = parse("a,b\n1,x\nNA,\nn/a, ?\nNaN,nan\nNULL,Null\n?,NAN\n,\"NA\"\n", NULL);
    assert_int_equal(csv.column[0].missing, 6);
    assert_int_equal(csv.column[1].missing, 6);
    for (size_t r = 0; r < csv.rows; r++) {
        assert_int_equal(bal_csv_missing(&csv, r, 0), r > 0);
        assert_int_equal(bal_csv_missing(&csv, r, 1), r > 0);
        assert_int_equal(isnan(bal_csv_number(&csv, r, 0)), r > 0);
    }
    assert_string_equal(bal_csv_text(&csv, 2, 1), " ?"); /* text stays as it is */
    bal_csv_release(&csv);

    const char *const words[] = {"-999", "none", NULL};
    const bal_csv_options options = {.missing = words};
    csv = parse("a,b\n-999,x\n5,None\n-9,NA\n", &options);
    assert_int_equal(csv.column[0].missing, 1);
    assert_true(csv.column[0].numbers[2] == -9);
    assert_int_equal(csv.column[1].missing, 1);
    assert_false(bal_csv_missing(&csv, 2, 1)); /* NA is Namibia here */
    bal_csv_release(&csv);
}

static void test_infinities_are_numbers(void **state) {
    bal_csv csv = parse("a\ninf\n-inf\n", &yes_header);
    assert_true(csv.column[0].numbers[0] == INFINITY && csv.column[0].numbers[1] == -INFINITY);
    bal_csv_release(&csv);
}

static void check_text_among_numbers(const char *text, const char *wanted) {
    bal_csv csv = parse(text, NULL);
    const double *numbers = NULL;
    bal_error err = {0};
    assert_int_equal(bal_csv_numbers(&csv, 0, &numbers, &err), BAL_OK);
    assert_true(numbers == csv.column[0].numbers);
    assert_int_equal(bal_csv_numbers(&csv, 1, &numbers, &err), BAL_EDATA);
    assert_true(numbers == csv.column[0].numbers);
    assert_string_equal(err.message, wanted);
    bal_csv_release(&csv);
}

static void test_text_among_numbers_is_named(void **state) {
    check_text_among_numbers(
        "id,size\n1,2\n\n\"2\",3\n3,abc\n4,def\n5,6\n",
        "t.csv:5: row 3, column 'size': wanted a number, found 'abc' (2 of 5 "
        "cells of the column are text); correct the cell, leave it empty, or do "
        "not use the column as a number");
    check_text_among_numbers(
        "a;b\n1;2,5\n", "t.csv:2: row 1, column 'b': wanted a number, found '2,5' (1 of 1 cells "
                        "of the column are text); write decimal fractions with a point");
    check_text_among_numbers(
        "a,b\n1,\"x\n\x01y 0123456789012345678901234567890123456789\"\n",
        "t.csv:2: row 1, column 'b': wanted a number, found 'x  y "
        "01234567890123456789012345678901234\u2026' (1 of 1 cells of the column "
        "are text); correct the cell, leave it empty, or do not use the column "
        "as a number");
}

static void test_excerpt_keeps_characters_whole(void **state) {
    bal_csv csv =
        parse("a\n\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9"
              "\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9x\u00e9\u00e9\n",
              &yes_header);
    char excerpt[64];
    bal_csv_excerpt(&csv, 0, 0, excerpt);
    assert_int_equal(strlen(excerpt), 2 * 19 + 1 + 3); /* the cut character is gone, … is there */
    assert_int_equal(bal_text_utf8_valid(excerpt, strlen(excerpt)), strlen(excerpt));
    bal_csv_release(&csv);
}

/* --- refusals --- */

static void test_ragged_rows_are_refused(void **state) {
    refuse("a,b,c\n1,2,3\n\n4,5\n", NULL, BAL_EFORMAT,
           "t.csv:4: wanted 3 cells, as on line 1, found 2;");
    refuse("a,b\n1,2,3\n", NULL, BAL_EFORMAT, "t.csv:2: wanted 2 cells, as on line 1, found 3;");
    refuse(
        "\na\tb\n1\t2\n\"x\ny\"\t1\t2\n", NULL, BAL_EFORMAT,
        "t.csv:4: wanted 2 cells, as on line 2, found 3; complete the row, quote cells that hold "
        "the separator (tab), or");
}

static void test_bad_quotes_are_refused(void **state) {
    refuse("a,b\n1,\"x\n2,y\n", NULL, BAL_EFORMAT,
           "t.csv:2: a quote opens here and is never closed");
    refuse("a,b\n1,\"\"\"\n", NULL, BAL_EFORMAT, "t.csv:2: a quote opens here and is never closed");
    refuse("a,b\n1,\"x\ny\"z\n", NULL, BAL_EFORMAT, "t.csv:3: text follows a closing quote;");
}

static void test_other_encodings_are_refused(void **state) {
    refuse_bytes("a,b\n1,\0\n", 8, NULL, BAL_EFORMAT, "t.csv:2: NUL byte at offset 6");
    refuse_bytes("a,b\r1,2\r\n\0", 10, NULL, BAL_EFORMAT, "t.csv:3: NUL byte at offset 9");
    refuse_bytes("\xff\xfe"
                 "a\0,\0",
                 6, NULL, BAL_EFORMAT, "t.csv: the text is UTF-16;");
    refuse("name,n\nabcdefgh,1\ncaf\xe9,2\n", NULL, BAL_EFORMAT,
           "t.csv:3: byte 0xE9 at offset 21 is not UTF-8;");
}

static void test_empty_files_are_refused(void **state) {
    refuse("", NULL, BAL_EFORMAT, "t.csv: wanted a table, found an empty file");
    refuse("\n \r\n", NULL, BAL_EFORMAT, "t.csv: wanted a table, found an empty file");
    refuse("\xef\xbb\xbf", NULL, BAL_EFORMAT, "t.csv: wanted a table, found an empty file");
    bal_csv csv = parse("a,b\n", &yes_header); /* a header alone is a table of no rows */
    assert_int_equal(csv.rows, 0);
    assert_non_null(csv.column[1].numbers);
    bal_csv_release(&csv);
}

static void test_limits(void **state) {
    bal_csv_options options = {.max_bytes = 7};
    refuse("a,b\n1,2\n", &options, BAL_EFORMAT, "t.csv: holds more than 7 bytes");
    options.max_bytes = 8;
    check_cells("a,b\n1,2\n", &options, "a|b/1|2");
    options.separator = '"';
    refuse("a\n", &options, BAL_EINVAL, "wanted an ASCII character as separator, found byte 0x22");
    options.separator = '\xe9';
    refuse("a\n", &options, BAL_EINVAL, "wanted an ASCII character as separator, found byte 0xE9");

    size_t size = (1 << 20) + 1;
    char *commas = bal_calloc(size, 1);
    memset(commas, ',', size - 1);
    refuse_bytes(commas, size - 1, NULL, BAL_EFORMAT, "t.csv: 1048577 columns, at most 1048576");
    bal_csv csv = {0};
    assert_int_equal(bal_csv_parse(commas, size - 2, "t.csv", NULL, &csv, NULL), BAL_OK);
    assert_string_equal(csv.column[(1 << 20) - 1].name, "c1048576");
    bal_csv_release(&csv);
    bal_free(commas);
}

static void test_release_accepts_anything(void **state) {
    bal_csv csv = {0};
    bal_csv_release(&csv);
    bal_csv_release(NULL);
}

/* --- files and gzip --- */

static void write_gzip(const char *path, const char *mode, const char *text) {
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    assert_int_equal(gzputs(file, text), strlen(text));
    assert_int_equal(gzclose(file), Z_OK);
}

static void test_files(void **state) {
    char *folder = scratch_new();
    char *plain = bal_path_join(folder, "t.csv"), *gzip = bal_path_join(folder, "t.csv.gz");
    char *absent = bal_path_join(folder, "absent.csv");
    bal_error err = {0};
    bal_csv csv = {0};
    assert_int_equal(bal_file_replace(plain, "a,b\n1,2\n", 8, &err), BAL_OK);
    write_gzip(gzip, "wb", "a,b\n1,");
    write_gzip(gzip, "ab", "2\n"); /* two members, like `cat x.gz y.gz` */
    const char *const paths[] = {plain, gzip};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(bal_csv_read(paths[i], NULL, &csv, &err), BAL_OK);
        assert_string_equal(csv.name, paths[i]);
        assert_int_equal(csv.rows, 1);
        assert_true(csv.column[1].numbers[0] == 2);
        bal_csv_release(&csv);
    }
    assert_int_equal(bal_csv_read(absent, NULL, &csv, &err), BAL_ENOTFOUND);
    assert_non_null(strstr(err.message, "absent.csv"));
    bal_free(plain);
    bal_free(gzip);
    bal_free(absent);
    scratch_free(folder);
}

/* gzip bytes of `count` times "1\n"; freed with bal_free. */
static unsigned char *gzip_ones(size_t count, size_t *ret_size) {
    char *ones = bal_calloc(2 * count, 1);
    for (size_t i = 0; i < count; i++)
        memcpy(ones + 2 * i, "1\n", 2);
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&stream, 2 * count);
    unsigned char *bytes = bal_calloc(room, 1);
    stream.next_in = (unsigned char *)ones;
    stream.avail_in = (unsigned)(2 * count);
    stream.next_out = bytes;
    stream.avail_out = (unsigned)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *ret_size = stream.total_out;
    deflateEnd(&stream);
    bal_free(ones);
    return bytes;
}

static void test_gzip_limits_and_damage(void **state) {
    size_t size;
    unsigned char *bytes = gzip_ones(500000, &size);
    char *text = (char *)bytes;
    bal_csv_options options = with_header(BAL_CSV_HEADER_NO);
    bal_csv csv = {0};
    options.max_bytes = 1000000;
    assert_int_equal(bal_csv_parse(text, size, "t.gz", &options, &csv, NULL), BAL_OK);
    assert_int_equal(csv.rows, 500000);
    bal_csv_release(&csv);
    options.max_bytes = 999999;
    refuse_bytes(text, size, &options, BAL_EFORMAT,
                 "t.csv: holds more than 999999 bytes when decompressed;");
    options.max_bytes = 0;
    for (size_t cut = 2; cut < size; cut += 97) {
        refuse_bytes(text, cut, &options, BAL_EFORMAT, "t.csv: the gzip data is damaged (");
    }
    bytes[size - 5] ^= 1; /* checksum */
    refuse_bytes(text, size, &options, BAL_EFORMAT,
                 "t.csv: the gzip data is damaged (incorrect data check)");
    bal_free(bytes);
}

/* --- memory --- */

static bal_status parse_failing(int64_t countdown, const char *bytes, size_t size, bal_error *err) {
    bal_csv csv = {0};
    bal_memory_fail_after(countdown);
    bal_status status = bal_csv_parse(bytes, size, "t.csv", &yes_header, &csv, err);
    bal_memory_fail_after(-1);
    bal_csv_release(&csv);
    return status;
}

static void test_every_allocation_may_fail(void **state) {
    const char plain[] = "a,b,c,d\n1,2,x,\"y\"\n3,4,x,\"y\"\n";
    size_t gzip_size;
    char *gzip = (char *)gzip_ones(100000, &gzip_size);
    const struct {
        const char *bytes;
        size_t size;
        int64_t at_least;
    } inputs[] = {{plain, sizeof plain - 1, 10}, {gzip, gzip_size, 10}};
    for (int i = 0; i < 2; i++) {
        int64_t failures = 0;
        for (;; failures++) {
            bal_error err = {0};
            bal_status status = parse_failing(failures, inputs[i].bytes, inputs[i].size, &err);
            if (status == BAL_OK) break;
            assert_int_equal(status, BAL_ENOMEM);
            assert_int_equal(err.status, BAL_ENOMEM);
        }
        assert_true(failures > inputs[i].at_least);
    }
    bal_free(gzip);
}

/* --- real files --- */

typedef struct real_file {
    const char *path;
    size_t rows, columns;
    char separator;
    bool has_header;
    size_t column; /* one to look at */
    const char *name;
    double sum; /* of its numbers, NaN for a text column */
    size_t missing;
} real_file;

/* Counts and sums found with Python's csv module. */
static const real_file real_files[] = {
    {"landmarks/leaf99/train.csv", 990, 194, ',', true, 1, "species", NAN, 0},
    {"landmarks/leaf99/train.csv", 990, 194, ',', true, 193, "texture64", 19.225645, 0},
    {"landmarks/letter26/letter-recognition.data", 20000, 17, ',', true, 16, "16", 156024, 0},
    {"behaviour/berka_cut/trans_test.csv", 30200, 10, ';', true, 7, "k_symbol", NAN, 18968},
    {"behaviour/berka_cut/trans_test.csv", 30200, 10, ';', true, 6, "balance", 1348255165.98, 0},
    {"behaviour/berka_cut/client.csv", 5369, 3, ';', true, 1, "birth_number", 2873032274, 0},
    {"behaviour/berka_cut/district.csv", 77, 16, ';', true, 12, "unemploymant rate '96", 291.6, 0},
    {"crash/jetx_results.csv", 10456, 2, ',', true, 1, "value", 97986.6, 0},
    {"crash/bustabit_bets_2016.csv", 50000, 9, ',', true, 4, "CashedOut", 48462.77, 21266},
    {"tabular/winequality-white.csv", 4898, 12, ',', false, 11, "c12", 28790, 0},
};

static void check_real(const char *folder, const real_file *wanted) {
    char *path = bal_path_join(folder, wanted->path);
    bal_csv csv = {0};
    bal_error err = {0};
    if (bal_csv_read(path, NULL, &csv, &err) != BAL_OK) fail_msg("%s", err.message);
    assert_int_equal(csv.rows, wanted->rows);
    assert_int_equal(csv.columns, wanted->columns);
    assert_int_equal(csv.separator, wanted->separator);
    assert_int_equal(csv.has_header, wanted->has_header);
    const bal_csv_column *column = &csv.column[wanted->column];
    assert_string_equal(column->name, wanted->name);
    assert_int_equal(column->missing, wanted->missing);
    assert_int_equal(column->numbers == NULL, isnan(wanted->sum));
    double sum = 0;
    for (size_t r = 0; column->numbers && r < csv.rows; r++) {
        if (!isnan(column->numbers[r])) sum += column->numbers[r];
    }
    if (column->numbers) assert_true(fabs(sum - wanted->sum) <= 1e-9 * fabs(wanted->sum));
    bal_csv_release(&csv);
    bal_free(path);
}

static void test_real_files(void **state) {
    const char *folder = getenv("BALLAST_DATA");
    if (!folder || !*folder) skip();
    if (!bal_path_is_folder(folder)) skip();
    for (size_t i = 0; i < sizeof real_files / sizeof *real_files; i++)
        check_real(folder, &real_files[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_blank_lines_are_skipped),
        cmocka_unit_test(test_line_numbers_count_breaks_in_quotes),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_separators_are_found),
        cmocka_unit_test(test_separator_of_a_long_file),
        cmocka_unit_test(test_separator_of_long_records),
        cmocka_unit_test(test_header_is_found),
        cmocka_unit_test(test_no_header_is_found),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_duplicate_names_are_refused),
        cmocka_unit_test(test_column_types),
        cmocka_unit_test(test_missing_words),
        cmocka_unit_test(test_infinities_are_numbers),
        cmocka_unit_test(test_text_among_numbers_is_named),
        cmocka_unit_test(test_excerpt_keeps_characters_whole),
        cmocka_unit_test(test_ragged_rows_are_refused),
        cmocka_unit_test(test_bad_quotes_are_refused),
        cmocka_unit_test(test_other_encodings_are_refused),
        cmocka_unit_test(test_empty_files_are_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_release_accepts_anything),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_gzip_limits_and_damage),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
