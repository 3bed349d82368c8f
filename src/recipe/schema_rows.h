/* How rows of the schema table are written: shorthands for schema.c alone. Slots are offsets in the
 * structs of recipe/recipe.h, ranges read as they are said. */
#ifndef BAL_RECIPE_SCHEMA_ROWS_H
#define BAL_RECIPE_SCHEMA_ROWS_H

#include "recipe/schema.h"

/* Names that belong to no other table, as a bal_schema_name_fn. */
#define NAME_LIST(function, ...)                                                                   \
    static const char *function(int index) {                                                       \
        static const char *const names[] = {__VA_ARGS__, NULL};                                    \
        return names[index];                                                                       \
    }

#define LATER(...) ((const char *const[]){__VA_ARGS__, NULL})

#define SLOT(type, member)                                                                         \
    .slot = offsetof(type, member), .size = sizeof(((type *)0)->member), .place = BAL_SCHEMA_NO_SLOT
#define LIST_SLOT(type, member, n) SLOT(type, member), .count = offsetof(type, n)
/* The same, and where it stands in the recipe. */
#define SLOT_AT(type, member, at)                                                                  \
    .slot = offsetof(type, member), .size = sizeof(((type *)0)->member), .place = offsetof(type, at)
#define NO_SLOT .slot = BAL_SCHEMA_NO_SLOT, .place = BAL_SCHEMA_NO_SLOT
#define SECTION_AT(type, member) .slot = BAL_SCHEMA_NO_SLOT, .place = offsetof(type, member)
#define STRUCTS(type, member, n, element)                                                          \
    .slot = offsetof(type, member), .size = sizeof(element), .count = offsetof(type, n),           \
    .place = offsetof(element, place)

#define ONLY(key, ...)                                                                             \
    .only_key = (key), .only_values = (const char *const[]) {                                      \
        __VA_ARGS__, NULL                                                                          \
    }

#define AT_LEAST(low)                                                                              \
    { .has_least = true, .least = (low) }
#define ABOVE(low)                                                                                 \
    { .has_least = true, .above = true, .least = (low) }
#define FROM_TO(low, high)                                                                         \
    { .has_least = true, .least = (low), .has_most = true, .most = (high) }
#define FROM_BELOW(low, high)                                                                      \
    { .has_least = true, .least = (low), .has_most = true, .below = true, .most = (high) }
#define INSIDE(low, high)                                                                          \
    {                                                                                              \
        .has_least = true, .above = true, .least = (low), .has_most = true, .below = true,         \
        .most = (high)                                                                             \
    }
#define ABOVE_TO(low, high)                                                                        \
    { .has_least = true, .above = true, .least = (low), .has_most = true, .most = (high) }

/* What fits the arithmetic behind it, with room to spare; nothing sensible comes near. */
#define MANY 1000000000.0
#define WIDEST 1000000.0

#endif
