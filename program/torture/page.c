// SPDX-License-Identifier: MIT
#include "program/torture/page.h"

#include <stdlib.h>
#include <string.h>

#include "program/command.h"

static const char head[] =
	"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width\">"
	"<title>Attacks on vhost-user block servers</title><style>"
	":root{color-scheme:light dark;--line:#8885;--good:#1a7f37;"
	"--bad:#cf222e;--none:#57606a}"
	"@media(prefers-color-scheme:dark){:root{--good:#3fb950;--bad:#ff7b72;"
	"--none:#9198a1}}"
	"body{font:15px/1.4 system-ui,sans-serif;margin:1em auto;padding:0 1em;"
	"max-width:70em}table{border-collapse:collapse;width:100%}"
	"td,th{text-align:left;vertical-align:top;padding:.15em .6em .15em 0;"
	"border-bottom:1px solid var(--line);overflow-wrap:anywhere}"
	".scroll{overflow-x:auto}summary{cursor:pointer;padding:.3em 0}"
	"small{display:block;color:var(--none)}"
	".g{color:var(--good)}.b{color:var(--bad);font-weight:bold}"
	".n{color:var(--none)}</style>";

static const char legend[] =
	"<p><span class=\"g\">&#10003; survived</span>: nothing of the "
	"following. <span class=\"b\">&#10007; died, hung, stalled, leaked, "
	"corrupted</span>: the server is gone; answers nobody; holds up its "
	"other clients; keeps what it should give back; says or writes what is "
	"wrong. <span class=\"n\">&ndash; not applicable</span>: the server "
	"does not offer what would be attacked; <span class=\"n\">not run"
	"</span>: no server was left.</p>";

static void put_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", to);
		else if (*text == '&')
			fputs("&amp;", to);
		else if (*text == '"')
			fputs("&quot;", to);
		else
			fputc(*text, to);
	}
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static bool is(const json_t *one, const char *verdict)
{
	return strcmp(text_at(one, "verdict"), verdict) == 0;
}

/* Neither: the attack says nothing of this server. */
static bool is_good(const json_t *one)
{
	return is(one, "survived");
}

static bool is_bad(const json_t *one)
{
	return one && !is_good(one) && !is(one, "not applicable") &&
	       !is(one, "not run");
}

/* The case of the same name in other results, or NULL. */
static const json_t *same_case(const json_t *results, const json_t *one)
{
	const json_t *other;
	size_t i;

	json_array_foreach(json_object_get(results, "cases"), i, other)
	{
		if (strcmp(text_at(other, "group"), text_at(one, "group")) ==
			    0 &&
		    strcmp(text_at(other, "name"), text_at(one, "name")) == 0)
			return other;
	}
	return NULL;
}

static void put_verdict(FILE *to, const json_t *one)
{
	const char *text = text_at(one, "text");

	if (!one) {
		fputs("<td class=\"n\">&ndash;", to);
		return;
	}
	fprintf(to, "<td><span class=\"%s\">%s&nbsp;",
		is_bad(one)    ? "b"
		: is_good(one) ? "g"
			       : "n",
		is_bad(one)    ? "&#10007;"
		: is_good(one) ? "&#10003;"
			       : "&ndash;");
	put_text(to, text_at(one, "verdict"));
	fputs("</span>", to);
	if (*text) {
		fputs("<small>", to);
		put_text(to, text);
		fputs("</small>", to);
	}
}

struct sums {
	size_t good, bad, other;
};

/* `group` NULL: of all. */
static struct sums sum_up(const json_t *results, const char *group)
{
	struct sums sums = { 0, 0, 0 };
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(results, "cases"), i, one)
	{
		if (group && strcmp(text_at(one, "group"), group) != 0)
			continue;
		if (is_bad(one))
			sums.bad++;
		else if (is_good(one))
			sums.good++;
		else
			sums.other++;
	}
	return sums;
}

static void put_sums(FILE *to, const json_t *results, const char *group)
{
	struct sums sums = sum_up(results, group);

	fprintf(to, "<span class=\"g\">%zu survived</span>", sums.good);
	if (sums.bad)
		fprintf(to, ", <span class=\"b\">%zu not</span>", sums.bad);
	if (sums.other)
		fprintf(to,
			", <span class=\"n\">%zu not applicable or not run"
			"</span>",
			sums.other);
}

static void put_titles(FILE *to, const json_t *results, json_t *others)
{
	const char *name;
	json_t *other;

	fputs("<tr><th>attack<th>", to);
	put_text(to, text_at(results, "socket"));
	json_object_foreach(others, name, other)
	{
		fputs("<th>", to);
		put_text(to, name);
	}
	fputs("</tr>", to);
}

static void put_group(FILE *to, const json_t *results, json_t *others,
		      const char *group)
{
	struct sums sums = sum_up(results, group);
	const char *name;
	json_t *other;
	const json_t *one;
	size_t i;

	fprintf(to, "<details%s><summary><b>", sums.bad ? " open" : "");
	put_text(to, group);
	fputs("</b>: ", to);
	put_sums(to, results, group);
	fputs("</summary><div class=\"scroll\"><table>", to);
	put_titles(to, results, others);
	json_array_foreach(json_object_get(results, "cases"), i, one)
	{
		if (strcmp(text_at(one, "group"), group) != 0)
			continue;
		fputs("<tr><td>", to);
		put_text(to, text_at(one, "name"));
		put_verdict(to, one);
		json_object_foreach(others, name, other)
			put_verdict(to, same_case(other, one));
		fputs("</tr>\n", to);
	}
	fputs("</table></div></details>\n", to);
}

static void put_server(FILE *to, const char *name, const json_t *results)
{
	fputs("<tr><td>", to);
	put_text(to, name);
	fputs("<td>", to);
	put_sums(to, results, NULL);
	fputs("</tr>", to);
}

void page_write(FILE *to, const json_t *results, json_t *others)
{
	const json_t *cases = json_object_get(results, "cases"), *one;
	const char *last = "", *name;
	json_t *other;
	size_t i;

	fputs(head, to);
	fprintf(to,
		"<h1>Attacks on vhost-user block servers</h1><p>%zu attacks, "
		"by precarium %s:</p><table>",
		json_array_size(cases), text_at(results, "version"));
	put_server(to, text_at(results, "socket"), results);
	json_object_foreach(others, name, other) put_server(to, name, other);
	fprintf(to, "</table>%s", legend);
	json_array_foreach(cases, i, one)
	{
		/* The cases of a group are neighbours. */
		if (strcmp(text_at(one, "group"), last) == 0)
			continue;
		last = text_at(one, "group");
		put_group(to, results, others, last);
	}
	fputs("</html>\n", to);
}

/* The path without folder and ".json". */
static bool name_of(char *name, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *end;

	snprintf(name, size, "%s", slash ? slash + 1 : path);
	end = strrchr(name, '.');
	if (end && end != name && strcmp(end, ".json") == 0)
		*end = 0;
	return name[0];
}

bool page_read(json_t *others, const char *path)
{
	json_error_t error;
	json_t *results = json_load_file(path, 0, &error);
	const char *why = results ? "it has no cases" : error.text;
	char name[256];

	if (json_is_array(json_object_get(results, "cases")) &&
	    name_of(name, sizeof(name), path) &&
	    !json_object_get(others, name)) {
		if (json_object_set(others, name, results) == 0) {
			json_decref(results);
			return true;
		}
		why = "its name is not UTF-8";
	} else if (json_is_array(json_object_get(results, "cases"))) {
		why = "another of its name is given";
	}
	complain("torture: --beside=%s: %s; expected what precarium torture "
		 "--json wrote",
		 path, why);
	json_decref(results);
	return false;
}
