// SPDX-License-Identifier: GPL-2.0
/*
 * Reads a compiled scenario (docs/oracle.md in lastfd's repository). It was checked
 * when it was compiled; what is looked at here is that the two sides agree.
 */
#include "lastfd.h"

struct lf_word {
	struct lf_word *next;
	char text[];
};

/* The same word is the same address, so that it can be an action's data. */
const char *lf_word(const char *text)
{
	struct lf_word *word;
	size_t size = strlen(text) + 1;

	for (word = lf->words; word; word = word->next)
		if (!strcmp(word->text, text))
			return word->text;
	word = lf_alloc(sizeof(*word) + size);
	memcpy(word->text, text, size);
	word->next = lf->words;
	lf->words = word;
	return word->text;
}

/* %XX becomes a byte, in place. */
static char *decoded(char *text)
{
	char *from = text, *to = text;
	int high, low;

	while (*from) {
		if (*from == '%' && (high = hex_to_bin(from[1])) >= 0 &&
		    (low = hex_to_bin(from[2])) >= 0) {
			*to++ = high << 4 | low;
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = 0;
	return text;
}

static bool number(const char *text, long *n)
{
	return !kstrtol(text, 10, n);
}

static bool name(const char *text, long *id)
{
	return number(text, id) && *id >= 0 && *id < lf->count;
}

/* Text cut at its placeholders: {12}, {12.ref}, {.ref} for self, {fail_nth}. */
static bool pieces(char *text, struct lf_piece **list)
{
	while (*text) {
		struct lf_piece *piece = lf_alloc(sizeof(*piece));
		char *end, *dot;
		long id;

		*list = piece;
		list = &piece->next;
		if (*text != '{') {
			size_t n = strcspn(text, "{");
			char *plain = lf_alloc(n + 1);

			memcpy(plain, text, n);
			piece->type = LF_PLAIN;
			piece->text = decoded(plain);
			text += n;
			continue;
		}
		end = strchr(text, '}');
		if (!end)
			return false;
		*end = 0;
		text++;
		dot = strchr(text, '.');
		if (!strcmp(text, "fail_nth")) {
			piece->type = LF_FILL_FAIL_NTH;
		} else if (!dot) {
			piece->type = LF_FILL_NUMBER;
			if (!name(text, &id))
				return false;
			piece->id = id;
		} else {
			*dot = 0;
			piece->type = LF_FILL_PROPERTY;
			piece->text = lf_word(dot + 1);
			piece->id = -1;
			if (*text) {
				if (!name(text, &id))
					return false;
				piece->id = id;
			}
		}
		text = end + 1;
	}
	return true;
}

static bool argument(char *text, struct lf_arg *arg)
{
	switch (*text) {
	case '.':
		arg->type = LF_NONE;
		return true;
	case '#':
		arg->type = LF_NAME;
		return name(text + 1, &arg->n);
	case '@':
		arg->type = LF_SELF;
		return true;
	case 'w':
		arg->type = LF_WORD;
		arg->word = lf_word(decoded(text + 1));
		return true;
	case 't':
		arg->type = LF_TEXT;
		return pieces(text + 1, &arg->text);
	case 'n':
		arg->type = LF_INT;
		return number(text + 1, &arg->n);
	case '-':
		arg->type = LF_NULL;
		return true;
	case '*':
		arg->type = LF_ANY;
		return true;
	case 'a':
		if (text[1] == '#') {
			arg->type = LF_ACTION_BODY;
			return name(text + 2, &arg->n);
		}
		arg->type = LF_ACTION;
		arg->word = lf_word(text + 1);
		return true;
	}
	return false;
}

static const char *fault_of(const char *what, const char *of)
{
	char *text = lf_alloc(strlen(what) + strlen(of) + 3);

	sprintf(text, "%s: %s", what, of);
	return text;
}

/* FORM WORD RESULT TEXT ARG.. | KEYWORD.. */
static const char *statement(char *text, struct lf_line *line)
{
	char *form = strsep(&text, " "), *word = strsep(&text, " ");
	char *result = strsep(&text, " "), *call = strsep(&text, " "), *token;
	struct lf_arg *arg = line->arg, *last = line->arg + LF_ARGS;
	long id;

	if (!form || !word || !result || !call)
		return "a statement that is cut short";
	line->form = *form;
	line->op = lf_find(word);
	if (!line->op)
		return fault_of("this kernel's module does not know the statement", word);
	line->result = -1;
	if (*result != '-') {
		if (!name(result, &id))
			return "a result that is no name";
		line->result = id;
	}
	line->text = decoded(call);
	while ((token = strsep(&text, " "))) {
		if (!strcmp(token, "|")) {
			arg = line->keyword;
			last = line->keyword + LF_KEYWORDS;
			continue;
		}
		if (arg == last)
			return fault_of("too many operands", word);
		if (!argument(token, arg++))
			return fault_of("an operand that is none", word);
	}
	return NULL;
}

static const char *body(char **text, struct lf_body *body, char *count)
{
	const char *fault;
	long n, i;

	if (!count || !number(count, &n) || n < 0 || n > 100000)
		return "a body of no length";
	body->lines = lf_alloc(n * sizeof(*body->lines) + 1);
	body->count = n;
	for (i = 0; i < n; i++) {
		char *line = strsep(text, "\n");

		if (!line)
			return "a body that is cut short";
		fault = statement(line, &body->lines[i]);
		if (fault)
			return fault;
	}
	return NULL;
}

static int kind(const char *text)
{
	static const char *const kinds[] = {
		"device", "bus", "driver", "class", "devt", "cdev", "fops", "iio_ops",
		"file", "thread", "memory", "devres", "found", "group", "number", "body",
		"iio", "iio_channel", "drm", "drm_driver", "drm_bridge", "drm_encoder",
		"v4l2", "video", "cec", "cec_ops", "link",
	};

	return match_string(kinds, ARRAY_SIZE(kinds), text);
}

static const char *names(char **text, char *count)
{
	long n, i;

	if (!count || !number(count, &n) || n < 2 || n > 100000)
		return "a table of no names";
	lf->names = lf_alloc(n * sizeof(*lf->names));
	lf->count = n;
	for (i = 0; i < n; i++) {
		char *line = strsep(text, "\n");
		char *kind_ = strsep(&line, " ");

		if (!line || kind(kind_) < 0)
			return "a name of no kind";
		lf->names[i].kind = kind(kind_);
		lf->names[i].text = lf_word(line);
		if (lf->names[i].kind == LF_BODY)
			lf->names[i].body = lf_alloc(sizeof(struct lf_body));
	}
	return NULL;
}

/* Fills in *lf; what it says of a fault goes with the scenario's memory. */
int lf_read(char *text, const char **fault)
{
	char *line;

	line = strsep(&text, "\n");
	*fault = "not a compiled scenario of this version";
	if (!line || strcmp(line, "lastfd 1"))
		return -EINVAL;
	*fault = NULL;
	while (!*fault && (line = strsep(&text, "\n")) && *line) {
		char *word = strsep(&line, " ");
		long id;

		if (!strcmp(word, "scenario") && line)
			lf->name = lf_word(line);
		else if (!strcmp(word, "case") && line)
			lf->kunit_case = lf_word(line);
		else if (!strcmp(word, "names"))
			*fault = names(&text, line);
		else if (!strcmp(word, "main"))
			*fault = body(&text, &lf->main, line);
		else if (!strcmp(word, "body")) {
			char *which = strsep(&line, " ");

			if (!which || !name(which, &id) || !lf->names[id].body)
				*fault = "a body of no name";
			else
				*fault = body(&text, lf->names[id].body, line);
		} else {
			*fault = "a line that is none";
		}
	}
	if (!*fault && (!lf->name || !lf->names))
		*fault = "a scenario without its names";
	return *fault ? -EINVAL : 0;
}
