// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/completion.h"

#include <string.h>

#define SPDX "# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"

const struct completion_value *completion_find(const struct completion_value *table,
					       const char *option)
{
	for (; table->option; table++)
		if (strcmp(table->option, option) == 0)
			return table;
	return NULL;
}

static enum completion_kind kind_of(const struct completion_option *o)
{
	return o->value ? o->value->kind : COMPLETE_ANY;
}

static void put_words(FILE *to, const struct completion_value *v)
{
	const char *space = "";

	for (size_t i = 0; i < v->count; i++) {
		if (!v->words[i])
			continue;
		fprintf(to, "%s%s", space, v->words[i]);
		space = " ";
	}
	if (v->also)
		fprintf(to, "%s%s", space, v->also);
}

/* The pattern of bash's `case` for an option, as it is given before its value. */
static void put_pattern(FILE *to, const struct completion_option *o)
{
	if (o->letter)
		fprintf(to, "\t-%c | --%s)", o->letter, o->name);
	else
		fprintf(to, "\t--%s)", o->name);
}

/* Options of the same name mean the same in every command: the first tells. */
static bool is_told(const struct completion_command *commands, size_t command, const char *name)
{
	for (size_t c = 0; c < command; c++)
		for (size_t i = 0; i < commands[c].count; i++)
			if (strcmp(commands[c].options[i].name, name) == 0)
				return true;
	return false;
}

static void put_bash_values(FILE *to, const struct completion_command *commands, size_t count)
{
	static const char *const helpers[] = { [COMPLETE_WORD] = "word", [COMPLETE_LIST] = "list" };

	for (size_t c = 0; c < count; c++) {
		for (size_t i = 0; i < commands[c].count; i++) {
			const struct completion_option *o = &commands[c].options[i];

			if (!o->metavar || is_told(commands, c, o->name))
				continue;
			put_pattern(to, o);
			if (kind_of(o) == COMPLETE_FILES) {
				fprintf(to, " files=yes ;;\n");
			} else if (kind_of(o) == COMPLETE_ANY) {
				fprintf(to, " return ;;\n");
			} else {
				fprintf(to, " %s=\"", helpers[kind_of(o)]);
				put_words(to, o->value);
				fprintf(to, "\" ;;\n");
			}
		}
	}
}

static void put_bash_options(FILE *to, const struct completion_command *command)
{
	for (size_t i = 0; i < command->count; i++)
		fprintf(to, "%s--%s", i ? " " : "", command->options[i].name);
}

static void put_bash_commands(FILE *to, const struct completion_command *commands, size_t count)
{
	fprintf(to, "\tcase $command in\n");
	for (size_t c = 0; c < count; c++) {
		fprintf(to, "\t%s'%s') word=\"", c ? "" : "'' | ", commands[c].name);
		put_bash_options(to, &commands[c]);
		fprintf(to, "\"%s ;;\n", commands[c].files ? "; [[ $cur == -* ]] || files=yes" : "");
	}
	fprintf(to, "\tesac\n");
	if (!*commands[0].name)
		return;
	fprintf(to, "\t[[ $COMP_CWORD -eq 1 && $cur != -* ]] && word=\"");
	for (size_t c = 0; c < count; c++)
		fprintf(to, "%s%s", c ? " " : "", commands[c].name);
	fprintf(to, "\"\n");
}

/* Bash takes '=' for the end of a word, so that --role=act comes as three. */
static void put_bash(FILE *to, const char *program, const struct completion_command *commands,
		     size_t count)
{
	fprintf(to, SPDX "# Completes %s in bash; printed by %s --completion bash\n\n_%s()\n{\n",
		program, program, program);
	fprintf(to, "\tlocal cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
		    "\tlocal command= files= word= list= part IFS=$' \\t\\n'\n\n"
		    "\tCOMPREPLY=()\n"
		    "\t[[ $before == '=' && COMP_CWORD -gt 1 ]] && before=${COMP_WORDS[COMP_CWORD - 2]}\n"
		    "\t[[ $cur == '=' ]] && cur=\n");
	if (*commands[0].name)
		fprintf(to, "\t[[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]] && command=${COMP_WORDS[1]}\n");
	fprintf(to, "\tcase $before in\n");
	put_bash_values(to, commands, count);
	fprintf(to, "\tesac\n\tif [[ ! $files$word$list ]]; then\n");
	put_bash_commands(to, commands, count);
	fprintf(to, "\tfi\n"
		    "\tif [[ $files ]]; then\n"
		    "\t\tcompopt -o filenames 2>/dev/null\n"
		    "\t\tIFS=$'\\n'\n"
		    "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
		    "\telif [[ $list ]]; then\n"
		    "\t\tcompopt -o nospace 2>/dev/null\n"
		    "\t\tpart=${cur##*,}\n"
		    "\t\tCOMPREPLY=($(compgen -P \"${cur%%\"$part\"}\" -W \"$list\" -- \"$part\"))\n"
		    "\telse\n"
		    "\t\tCOMPREPLY=($(compgen -W \"$word\" -- \"$cur\"))\n"
		    "\tfi\n"
		    "} && complete -F _%s %s\n", program, program);
}

/* Within single quotes, and within what _arguments and _describe take: [ ] : and \ are theirs. */
static void put_zsh_text(FILE *to, const char *text)
{
	size_t len = strcspn(text, "\n");

	for (size_t i = 0; i < len; i++) {
		if (strchr("[]:\\", text[i]))
			fputc('\\', to);
		if (text[i] == '\'')
			fputs("'\\'", to);
		fputc(text[i], to);
	}
}

static void put_zsh_value(FILE *to, const struct completion_option *o)
{
	fputc(':', to);
	put_zsh_text(to, o->metavar);
	fputc(':', to);
	switch (kind_of(o)) {
	case COMPLETE_FILES:
		fputs("_files", to);
		break;
	case COMPLETE_WORD:
		fputc('(', to);
		put_words(to, o->value);
		fputc(')', to);
		break;
	case COMPLETE_LIST:
		fprintf(to, "_values -s , %s ", o->name);
		put_words(to, o->value);
		break;
	case COMPLETE_ANY:
		fputc(' ', to);
		break;
	}
}

static void put_zsh_option(FILE *to, const struct completion_option *o)
{
	for (int is_short = 0; is_short <= !!o->letter; is_short++) {
		fputs(" \\\n\t\t'", to);
		if (is_short)
			fprintf(to, "-%c%s[", o->letter, o->metavar ? "+" : "");
		else
			fprintf(to, "--%s%s[", o->name, o->metavar ? "=" : "");
		put_zsh_text(to, o->help);
		fputc(']', to);
		if (o->metavar)
			put_zsh_value(to, o);
		fputc('\'', to);
	}
}

static void put_zsh(FILE *to, const char *program, const struct completion_command *commands,
		    size_t count)
{
	fprintf(to, "#compdef %s\n" SPDX "# Completes %s in zsh; printed by %s --completion zsh\n\n"
		    "local command=\n", program, program, program);
	if (*commands[0].name) {
		fprintf(to, "local -a commands=(\n");
		for (size_t c = 0; c < count; c++) {
			fprintf(to, "\t'%s:", commands[c].name);
			put_zsh_text(to, commands[c].summary);
			fprintf(to, "'\n");
		}
		fprintf(to, ")\nif (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
			    "\t_describe -t commands command commands\n\treturn\nfi\n"
			    "if [[ $words[2] != -* ]]; then\n"
			    "\tcommand=$words[2]\n\tshift words\n\t(( CURRENT-- ))\nfi\n");
	}
	fprintf(to, "case $command in\n");
	for (size_t c = 0; c < count; c++) {
		fprintf(to, "%s'%s')\n\t_arguments", c ? "" : "'' | ", commands[c].name);
		for (size_t i = 0; i < commands[c].count; i++)
			put_zsh_option(to, &commands[c].options[i]);
		fprintf(to, "%s\n\t;;\n", commands[c].files ? " \\\n\t\t'*:file:_files'" : "");
	}
	fprintf(to, "esac\n");
}

bool completion_print(FILE *to, const char *shell, const char *program,
		      const struct completion_command *commands, size_t count)
{
	static const struct {
		const char *shell;
		void (*put)(FILE *to, const char *program,
			    const struct completion_command *commands, size_t count);
	} shells[] = { { "bash", put_bash }, { "zsh", put_zsh } };

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].shell, shell) != 0)
			continue;
		shells[i].put(to, program, commands, count);
		return true;
	}
	return false;
}
