// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "common/completion.h"

#include <string.h>

#define SPDX "# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"

const char *const completion_shells[COMPLETION_SHELLS] = {
	[COMPLETION_BASH] = "bash",
	[COMPLETION_ZSH] = "zsh",
};

/* What is printed, for one program. */
struct printing {
	FILE *to;
	const char *program;
	const struct option_table *table;
	const struct completion_command *commands;
	size_t count;
};

static bool has(const struct completion_command *command, const struct option_row *row)
{
	return row->help && options_apply(row, command->view);
}

static void put_words(FILE *to, const struct option_row *row)
{
	const char *space = "";

	for (int i = 0; i < row->word_count; i++) {
		if (!row->words[i])
			continue;
		fprintf(to, "%s%s", space, row->words[i]);
		space = " ";
	}
	if (row->also)
		fprintf(to, "%s%s", space, row->also);
}

/* The pattern of bash's `case` for an option, as it is given before its value, after a command or ("*") any. */
static void put_pattern(FILE *to, const char *command, const struct option_row *o)
{
	if (o->letter)
		fprintf(to, "\t%s' -%c' | ", command, o->letter);
	else
		fprintf(to, "\t");
	fprintf(to, "%s' --%s')", command, o->name);
}

/* An option that means the same in every command is printed once. */
static bool is_first(const struct printing *p, size_t command, const struct option_row *row)
{
	for (size_t c = 0; c < command; c++)
		if (has(&p->commands[c], row))
			return false;
	return has(&p->commands[command], row);
}

static void put_bash_value(FILE *to, const char *command, const struct option_row *row)
{
	static const char *const helpers[] = { [COMPLETE_WORD] = "word", [COMPLETE_LIST] = "list" };

	put_pattern(to, command, row);
	if (row->complete == COMPLETE_FILES) {
		fprintf(to, " files=yes ;;\n");
	} else if (row->complete == COMPLETE_ANY) {
		fprintf(to, " return ;;\n");
	} else {
		fprintf(to, " %s=\"", helpers[row->complete]);
		put_words(to, row);
		fprintf(to, "\" ;;\n");
	}
}

static void put_bash_values(const struct printing *p)
{
	for (size_t c = 0; c < p->count; c++) {
		for (size_t i = 0; i < p->table->count; i++) {
			const struct option_row *row = &p->table->rows[i];
			bool twin = options_has_twin(p->table, row);

			if (row->arg && (twin ? has(&p->commands[c], row) : is_first(p, c, row)))
				put_bash_value(p->to, twin ? p->commands[c].name : "*", row);
		}
	}
}

static void put_bash_options(const struct printing *p, const struct completion_command *command)
{
	const char *space = "";

	for (size_t i = 0; i < p->table->count; i++) {
		if (!has(command, &p->table->rows[i]))
			continue;
		fprintf(p->to, "%s--%s", space, p->table->rows[i].name);
		space = " ";
	}
}

static void put_bash_commands(const struct printing *p)
{
	const struct completion_command *commands = p->commands;
	FILE *to = p->to;

	fprintf(to, "\tcase $command in\n");
	for (size_t c = 0; c < p->count; c++) {
		fprintf(to, "\t%s'%s') word=\"", c ? "" : "'' | ", commands[c].name);
		put_bash_options(p, &commands[c]);
		fprintf(to, "\"%s ;;\n", commands[c].files ? "; [[ $cur == -* ]] || files=yes" : "");
	}
	fprintf(to, "\tesac\n");
	if (!*commands[0].name)
		return;
	fprintf(to, "\t[[ $COMP_CWORD -eq 1 && $cur != -* ]] && word=\"");
	for (size_t c = 0; c < p->count; c++)
		fprintf(to, "%s%s", c ? " " : "", commands[c].name);
	fprintf(to, "\"\n");
}

/* Bash takes '=' for the end of a word, so that --role=act comes as three. */
static void put_bash(const struct printing *p)
{
	const char *program = p->program;
	FILE *to = p->to;

	fprintf(to, SPDX "# Completes %s in bash; printed by %s --completion bash\n\n_%s()\n{\n",
		program, program, program);
	fprintf(to, "\tlocal cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
		    "\tlocal command= files= word= list= part IFS=$' \\t\\n'\n\n"
		    "\tCOMPREPLY=()\n"
		    "\t[[ $before == '=' && COMP_CWORD -gt 1 ]] && before=${COMP_WORDS[COMP_CWORD - 2]}\n"
		    "\t[[ $cur == '=' ]] && cur=\n");
	if (*p->commands[0].name)
		fprintf(to, "\t[[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]] && command=${COMP_WORDS[1]}\n");
	fprintf(to, "\tcase \"$command $before\" in\n");
	put_bash_values(p);
	fprintf(to, "\tesac\n\tif [[ ! $files$word$list ]]; then\n");
	put_bash_commands(p);
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

static void put_zsh_value(FILE *to, const struct option_row *o)
{
	fputc(':', to);
	put_zsh_text(to, o->arg);
	fputc(':', to);
	switch (o->complete) {
	case COMPLETE_FILES:
		fputs("_files", to);
		break;
	case COMPLETE_WORD:
		fputc('(', to);
		put_words(to, o);
		fputc(')', to);
		break;
	case COMPLETE_LIST:
		fprintf(to, "_values -s , %s ", o->name);
		put_words(to, o);
		break;
	case COMPLETE_ANY:
		fputc(' ', to);
		break;
	}
}

static void put_zsh_option(FILE *to, const struct option_row *o)
{
	for (int is_short = 0; is_short <= !!o->letter; is_short++) {
		fputs(" \\\n\t\t'", to);
		if (is_short)
			fprintf(to, "-%c%s[", o->letter, o->arg ? "+" : "");
		else
			fprintf(to, "--%s%s[", o->name, o->arg ? "=" : "");
		put_zsh_text(to, o->help);
		fputc(']', to);
		if (o->arg)
			put_zsh_value(to, o);
		fputc('\'', to);
	}
}

static void put_zsh(const struct printing *p)
{
	const struct completion_command *commands = p->commands;
	const char *program = p->program;
	FILE *to = p->to;

	fprintf(to, "#compdef %s\n" SPDX "# Completes %s in zsh; printed by %s --completion zsh\n\n"
		    "local command=\n", program, program, program);
	if (*commands[0].name) {
		fprintf(to, "local -a commands=(\n");
		for (size_t c = 0; c < p->count; c++) {
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
	for (size_t c = 0; c < p->count; c++) {
		fprintf(to, "%s'%s')\n\t_arguments", c ? "" : "'' | ", commands[c].name);
		for (size_t i = 0; i < p->table->count; i++)
			if (has(&commands[c], &p->table->rows[i]))
				put_zsh_option(to, &p->table->rows[i]);
		fprintf(to, "%s\n\t;;\n", commands[c].files ? " \\\n\t\t'*:file:_files'" : "");
	}
	fprintf(to, "esac\n");
}

void completion_print(FILE *to, unsigned shell, const char *program, const struct option_table *table,
		      const struct completion_command *commands, size_t count)
{
	static void (*const put[COMPLETION_SHELLS])(const struct printing *p) = {
		[COMPLETION_BASH] = put_bash,
		[COMPLETION_ZSH] = put_zsh,
	};

	put[shell](&(struct printing){ to, program, table, commands, count });
}
