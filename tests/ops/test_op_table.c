/* The op table: descriptors complete and consistent, names unique, lookup. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ops/ops.h"

static bool snake_case(const char *name) {
    if (!islower((unsigned char)*name)) return false;
    for (; *name; name++) {
        if (!islower((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '_')
            return false;
    }
    return true;
}

static void check_attrs(const bal_op *op) {
    if (op->n_attrs < 0 || op->n_attrs > BAL_ATTR_MAX || (op->n_attrs > 0 && !op->attrs))
        fail_msg("%s: %d attributes", op->name, (int)op->n_attrs);
    bool stream = false;
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const char *name = op->attrs[i].name;
        if (!name || !snake_case(name)) fail_msg("%s: attribute %d has no name", op->name, (int)i);
        for (int32_t j = 0; j < i; j++) {
            if (strcmp(name, op->attrs[j].name) == 0)
                fail_msg("%s: two attributes called %s", op->name, name);
        }
        stream |= strcmp(name, "stream") == 0;
    }
    if ((op->flags & BAL_OP_RANDOM) && !stream) fail_msg("%s: random without stream", op->name);
}

static void test_descriptors(void **state) {
    for (size_t i = 0; bal_op_table[i]; i++) {
        const bal_op *op = bal_op_table[i];
        if (!op->name || !snake_case(op->name)) fail_msg("entry %zu has no proper name", i);
        if (!op->summary || !*op->summary || !op->source) fail_msg("%s: not described", op->name);
        if (!op->infer || !op->reference) fail_msg("%s: no rule or no kernel", op->name);
        if (op->min_in < 1 || (op->max_in >= 0 && op->max_in < op->min_in))
            fail_msg("%s: %d to %d inputs", op->name, (int)op->min_in, (int)op->max_in);
        if (op->n_out < 0 || op->n_out > BAL_OUT_MAX) fail_msg("%s: too many outputs", op->name);
        if (op->n_out == 0 && !(op->flags & BAL_OP_EFFECT))
            fail_msg("%s: neither outputs nor an effect", op->name);
        if (((op->flags & BAL_OP_EFFECT) != 0) != (op->mutates != NULL))
            fail_msg("%s: an effect without written inputs, or the reverse", op->name);
        if (!(op->tolerance >= 0.0 && op->tolerance <= 1e-3))
            fail_msg("%s: tolerance %g", op->name, op->tolerance);
        check_attrs(op);
    }
}

static void test_names_are_unique_and_found(void **state) {
    for (size_t i = 0; bal_op_table[i]; i++)
        assert_ptr_equal(bal_op_find(bal_op_table[i]->name), bal_op_table[i]);
    assert_null(bal_op_find("no_such_op"));
    assert_null(bal_op_find(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_names_are_unique_and_found),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
