/* How a recipe is read, shared by the files of this folder.
 *
 *   recipe.c              text → tree → overrides → environment → sections → checks → text
 *   recipe_override.c     KEY=VALUE into the tree
 *   recipe_environment.c  ${NAME} in the tree
 *   recipe_section.c      mappings: unknown keys, defaults, what is missing
 *   recipe_value.c        values: one reader per bal_schema_type
 *   recipe_guard.c        detectors, rules and remedies
 *   recipe_series.c       features and targets of a series
 *   recipe_stage.c        stages: the recipe with some keys changed, read again
 *   recipe_check.c        what keys have to do with each other
 *   recipe_place.c        where things stand, and saying so
 *
 * Reading a section makes two things at once: the typed members, and a complete tree ("resolved")
 * of what was understood, short forms written out and defaults filled in. Its nodes keep the places
 * of those they come from, so that later checks can point at them; a default has no place. */
#ifndef BAL_RECIPE_RECIPE_READER_H
#define BAL_RECIPE_RECIPE_READER_H

#include "recipe/recipe.h"
#include "recipe/schema.h"

typedef struct bal_recipe_reader {
    bal_recipe *recipe;
    bal_arena *arena;    /* the recipe's */
    const char *file;    /* as named in messages */
    const char *folder;  /* absolute where it exists */
    bal_yaml_node *root; /* resolved so far */
    bal_error *err;
} bal_recipe_reader;

/** A value on its way from the tree into a struct. */
typedef struct bal_recipe_field {
    const bal_schema_key *key;
    const char *where; /* "heads[0].loss.gamma" */
    const bal_yaml_node *node;
    void *base;                  /* the struct that key->slot counts from */
    const bal_yaml_node *parent; /* resolved: around `own` */
    const bal_yaml_node *own;    /* resolved: the mapping that the key is in */
    bool applies;                /* false: only defaults are filled in, nothing can be missing */
} bal_recipe_field;

/* ---- recipe_place.c ---- */

bal_place bal_recipe_place(const bal_yaml_node *node);
/** Of the node's key, where it has one in a file; else of the node. */
bal_place bal_recipe_key_place(const bal_yaml_node *node);
/** Of byte `offset` of a scalar's text, where the source shows that text as it is; else of the
 * node. */
bal_place bal_recipe_place_inside(const bal_recipe_reader *reader, const bal_yaml_node *node,
                                  size_t offset);
/** BAL_ERECIPE with the place in front; without one, with the file. */
bal_status bal_recipe_fail(const bal_recipe_reader *reader, bal_place place, const char *format,
                           ...) BAL_PRINTF(3, 4);
bal_status bal_recipe_fail_memory(const bal_recipe_reader *reader);
/** "wanted an integer, found text 'abc'" */
bal_status bal_recipe_fail_type(const bal_recipe_reader *reader, const bal_recipe_field *field,
                                const char *wanted);
/** "there is no 'adm'; did you mean 'adam'? Known are …", for a word among names. */
bal_status bal_recipe_fail_name(const bal_recipe_reader *reader, bal_place place, const char *where,
                                const char *word, const char *const *names);
/** A resolved node stands where `from` stands. Fine with NULLs. */
bal_yaml_node *bal_recipe_keep_place(bal_yaml_node *node, const bal_yaml_node *from);
/** Put all of a tree at one source without lines (a command line), or nowhere (NULL). */
void bal_recipe_move(bal_yaml_node *node, const char *source);
/** Name of an entry of `heads`, as given or by default. */
const char *bal_recipe_head_name(const bal_yaml_node *head);
/** "a, b and c" */
const char *bal_recipe_listing(bal_arena *arena, const char *const *names);

/* ---- the steps; each fills or changes what its file's opening says ---- */

BAL_WARN_UNUSED bal_status bal_recipe_override(bal_recipe_reader *reader, bal_yaml_node *root,
                                               const char *text);
BAL_WARN_UNUSED bal_status bal_recipe_expand(bal_recipe_reader *reader, bal_yaml_node *root);
/** Text as it must stand in a recipe so that expansion gives it back; NULL when out of memory. */
bal_yaml_node *bal_recipe_literal(bal_arena *arena, const char *text);

/** Read the mapping of a section ("" the recipe) into field->base and field->own, which is being
 *  filled. field->node NULL: nothing is given. */
BAL_WARN_UNUSED bal_status bal_recipe_read_section(bal_recipe_reader *reader, const char *section,
                                                   const bal_recipe_field *field,
                                                   bal_yaml_node *resolved);
/** The mapping that a scalar in place of a section stands for; other nodes are returned as they
 * are. NULL when out of memory. */
bal_yaml_node *bal_recipe_long_form(bal_arena *arena, const bal_schema_key *key,
                                    bal_yaml_node *node);
/** A key's default as a tree; *ret_node NULL: it has none. */
BAL_WARN_UNUSED bal_status bal_recipe_default(bal_recipe_reader *reader, const bal_schema_key *key,
                                              const bal_schema_scope *scope,
                                              bal_yaml_node **ret_node);

/** Read one value by its type; *ret_resolved is what goes into the resolved tree. */
BAL_WARN_UNUSED bal_status bal_recipe_read_value(bal_recipe_reader *reader,
                                                 const bal_recipe_field *field,
                                                 bal_yaml_node **ret_resolved);
/** A path made absolute from the recipe's folder; NULL when out of memory. */
const char *bal_recipe_absolute_path(bal_recipe_reader *reader, const char *path);
/** Whether a number is in the key's range; the error names `what`. */
BAL_WARN_UNUSED bal_status bal_recipe_check_range(const bal_recipe_reader *reader,
                                                  const bal_recipe_field *field,
                                                  const bal_yaml_node *node, double value);
/** A finite number of a list or mapping inside the field, in the key's range. */
BAL_WARN_UNUSED bal_status bal_recipe_read_number(const bal_recipe_reader *reader,
                                                  const bal_recipe_field *field,
                                                  const bal_yaml_node *node, double *ret_value);

BAL_WARN_UNUSED bal_status bal_recipe_read_detectors(bal_recipe_reader *reader,
                                                     const bal_recipe_field *field,
                                                     bal_yaml_node **ret_resolved);
BAL_WARN_UNUSED bal_status bal_recipe_read_rules(bal_recipe_reader *reader,
                                                 const bal_recipe_field *field,
                                                 bal_yaml_node **ret_resolved);
BAL_WARN_UNUSED bal_status bal_recipe_read_remedies(bal_recipe_reader *reader,
                                                    const bal_recipe_field *field,
                                                    bal_yaml_node **ret_resolved);

/** The features of a series, and targets of all kinds of data. */
BAL_WARN_UNUSED bal_status bal_recipe_read_series(bal_recipe_reader *reader,
                                                  const bal_recipe_field *field,
                                                  bal_yaml_node **ret_resolved);
BAL_WARN_UNUSED bal_status bal_recipe_read_payoff(bal_recipe_reader *reader,
                                                  const bal_recipe_field *f,
                                                  bal_yaml_node **ret_resolved);
BAL_WARN_UNUSED bal_status bal_recipe_read_target(bal_recipe_reader *reader,
                                                  const bal_recipe_field *field,
                                                  bal_yaml_node **ret_resolved);
/** What belongs to a series and what does not; names the classes of derived targets. */
BAL_WARN_UNUSED bal_status bal_recipe_check_series(bal_recipe_reader *reader);

BAL_WARN_UNUSED bal_status bal_recipe_check(bal_recipe_reader *reader);
/** Whether a name is letters, digits and characters of `also`, at most `most`, at least one. */
bool bal_recipe_is_plain_name(const char *text, const char *also, size_t most);

/** The stages of the recipe `given`, which has been read and found right. */
BAL_WARN_UNUSED bal_status bal_recipe_read_stages(bal_recipe_reader *reader,
                                                  const bal_yaml_node *given);

#endif
