/* Where things stand in a recipe, and the wording that all refusals share. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "recipe/recipe_reader.h"

bal_place bal_recipe_place(const bal_yaml_node *node) {
    if (!node || !node->source) return (bal_place){"", 0, 0};
    return (bal_place){node->source, node->line, node->column};
}

bal_place bal_recipe_key_place(const bal_yaml_node *node) {
    bool keyed = node && node->source && node->key_line > 0;
    /* A value from the command line keeps the key of the one in the file that it replaced. */
    if (!keyed || node->line == 0) return bal_recipe_place(node);
    return (bal_place){node->source, node->key_line, node->key_column};
}

static const char *line_of(const char *text, int line) {
    for (; text && line > 1; line--) {
        text = strpbrk(text, "\r\n");
        if (text) text += text[0] == '\r' && text[1] == '\n' ? 2 : 1;
    }
    return text;
}

static bool continues_character(char c) {
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The byte at a column, which counts characters; NULL when the line is shorter. */
static const char *column_of(const char *line, int column) {
    for (; *line && column > 1; column--)
        do
            line++;
        while (continues_character(*line));
    return column > 1 ? NULL : line;
}

bal_place bal_recipe_place_inside(const bal_recipe_reader *reader, const bal_yaml_node *node,
                                  size_t offset) {
    bal_place place = bal_recipe_place(node);
    if (place.line == 0 || strcmp(place.file, reader->file) != 0) return place;
    const char *source = line_of(reader->recipe->source, place.line);
    source = source ? column_of(source, place.column) : NULL;
    if (!source) return place;
    bool quote = node->quoted && (*source == '"' || *source == '\'');
    if (strncmp(source + quote, node->text, offset) != 0) return place;
    place.column += quote;
    for (size_t i = 0; i < offset; i++)
        place.column += !continues_character(node->text[i]);
    return place;
}

static bal_status fail_at(bal_error *err, bal_status status, const bal_place *place,
                          const char *message) {
    if (!place->file || !place->file[0]) return bal_fail(err, status, "%s", message);
    if (place->line == 0) return bal_fail(err, status, "%s: %s", place->file, message);
    return bal_fail(err, status, "%s:%d:%d: %s", place->file, place->line, place->column, message);
}

bal_status bal_place_fail(bal_error *err, bal_status status, const bal_place *place,
                          const char *format, ...) {
    char message[sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return fail_at(err, status, place, message);
}

bal_status bal_recipe_fail(const bal_recipe_reader *reader, bal_place place, const char *format,
                           ...) {
    char message[sizeof reader->err->message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!place.file || !place.file[0]) place.file = reader->file;
    return fail_at(reader->err, BAL_ERECIPE, &place, message);
}

bal_status bal_recipe_fail_memory(const bal_recipe_reader *reader) {
    return bal_fail_memory(reader->err, sizeof(bal_yaml_node));
}

bal_status bal_recipe_fail_type(const bal_recipe_reader *reader, const bal_recipe_field *field,
                                const char *wanted) {
    const bal_yaml_node *node = field->node;
    const char *found = bal_yaml_describe(node);
    bal_place place = bal_recipe_place(node);
    if (node->kind != BAL_YAML_SCALAR)
        return bal_recipe_fail(reader, place, "%s: wanted %s, found %s", field->where, wanted,
                               found);
    return bal_recipe_fail(reader, place, "%s: wanted %s, found %s, '%.60s'", field->where, wanted,
                           found, node->text);
}

const char *bal_recipe_listing(bal_arena *arena, const char *const *names) {
    const char *list = names[0] ? names[0] : "none";
    for (int i = 1; names[0] && names[i] && list; i++)
        list = bal_arena_printf(arena, "%s%s%s", list, names[i + 1] ? ", " : " and ", names[i]);
    return list ? list : "";
}

bal_status bal_recipe_fail_name(const bal_recipe_reader *reader, bal_place place, const char *where,
                                const char *word, const char *const *names) {
    const char *nearest = bal_text_nearest(word, names);
    const char *known = bal_recipe_listing(reader->arena, names);
    if (nearest)
        return bal_recipe_fail(reader, place,
                               "%s: there is no '%.60s'; did you mean '%s'? Known: %s", where, word,
                               nearest, known);
    return bal_recipe_fail(reader, place, "%s: there is no '%.60s'; known: %s", where, word, known);
}

bal_yaml_node *bal_recipe_keep_place(bal_yaml_node *node, const bal_yaml_node *from) {
    if (!node || !from) return node;
    node->source = from->source;
    node->line = from->line;
    node->column = from->column;
    return node;
}

void bal_recipe_move(bal_yaml_node *node, const char *source) {
    node->source = source;
    node->line = node->column = node->key_line = node->key_column = 0;
    bal_yaml_each (child, node)
        bal_recipe_move(child, source);
}
