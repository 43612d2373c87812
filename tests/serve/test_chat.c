/* POST /v1/chat/completions and /v1/models on the wire: one test for each rule that the clients of
 * OpenAI's API rely on. */
#include "tests/serve/service_fixture.h"

#include "base/json.h"
#include "serve/chat_answer.h"
#include "serve/chat_request.h"

#define USER(content) "\"messages\":[{\"role\":\"user\",\"content\":" content "}]"
#define URGENT_TEXT   "\"refund my money now, this is urgent\""
#define ASK           "{\"model\":\"support/triage\"," USER(URGENT_TEXT)

static const char *chat(const struct service_fixture *f, const char *body)
{
    return fixture_ask(f, "POST", "/v1/chat/completions", "", body);
}

/* The answer's body, which must have this status; in the fixture's arena. */
static struct json *parse(struct service_fixture *f, const char *answer, int status)
{
    struct json *body;

    if (status_of(answer) != status)
        fail_msg("want %d, got '%s'", status, answer);
    assert_ok(
        json_parse(str_of(body_of(answer)), JSON_DUPLICATES_REFUSED, &f->arena, &body, &f->err),
        &f->err);
    return body;
}

/* Members by name, which must be there; a number is an index of an array: "choices", "0". */
static const struct json *at(const struct json *v, const char *const *path)
{
    for (; *path; path++) {
        v = **path >= '0' && **path <= '9'
                ? (v->type == JSON_ARRAY && v->n > (size_t)(**path - '0') ? &v->items[**path - '0']
                                                                          : NULL)
                : json_find(v, *path);
        if (!v)
            fail_msg("no %s", *path);
    }
    return v;
}
#define AT(v, ...) at((v), (const char *const[]){ __VA_ARGS__, NULL })

static void assert_text(const struct json *v, const char *text)
{
    if (v->type != JSON_STRING || !str_is(v->text, text))
        fail_msg("want '%s', got '%.*s'", text, (int)v->text.len, v->text.at);
}

static int64_t number(const struct json *v)
{
    int64_t value = -1;

    assert_true(json_to_i64(v, &value));
    return value;
}

/* All four members, none of them empty but param. */
static void assert_error(struct service_fixture *f, const char *answer, int status,
                         const char *type, const char *code, const char *param)
{
    const struct json *error = json_find(parse(f, answer, status), "error");

    assert_non_null(error);
    assert_true(AT(error, "message")->text.len > 0);
    assert_text(AT(error, "type"), type);
    assert_text(AT(error, "code"), code);
    if (param)
        assert_text(AT(error, "param"), param);
    else
        assert_int_equal(AT(error, "param")->type, JSON_NULL);
}

static void assert_refused(struct service_fixture *f, const char *body, const char *code,
                           const char *param)
{
    assert_error(f, chat(f, body), 400, "invalid_request_error", code, param);
}

static const char *content_of(struct service_fixture *f, const char *body)
{
    const struct json *content =
        AT(parse(f, chat(f, body), 200), "choices", "0", "message", "content");

    assert_int_equal(content->type, JSON_STRING);
    return content->text.at;
}

static void a_completion_has_every_member_that_the_api_requires(void **state)
{
    struct service_fixture *f = *state;
    const struct json *r = parse(f, chat(f, ASK "}"), 200);

    assert_true(str_starts_with(AT(r, "id")->text, "dec_"));
    assert_text(AT(r, "object"), "chat.completion");
    assert_int_equal(number(AT(r, "created")), f->now_ms / 1000);
    assert_text(AT(r, "model"), "support/triage");
    assert_text(AT(r, "system_fingerprint"), f->versions[0].hex);
    assert_int_equal(AT(r, "choices")->n, 1);
    assert_int_equal(number(AT(r, "choices", "0", "index")), 0);
    assert_text(AT(r, "choices", "0", "message", "role"), "assistant");
    assert_text(AT(r, "choices", "0", "message", "content"),
                "{\"priority\":\"high\",\"due\":\"2025-11-24T20:00:00Z\"}");
    assert_int_equal(AT(r, "choices", "0", "message", "refusal")->type, JSON_NULL);
    assert_int_equal(AT(r, "choices", "0", "logprobs")->type, JSON_NULL);
    assert_text(AT(r, "choices", "0", "finish_reason"), "stop");
}

static void usage_adds_up_and_counts_the_input_and_the_answer(void **state)
{
    struct service_fixture *f = *state;
    const struct json *usage = json_find(parse(f, chat(f, ASK "}"), 200), "usage");

    /* {"text":"refund my money now, this is urgent"} */
    assert_int_equal(number(AT(usage, "prompt_tokens")), 16);
    assert_true(number(AT(usage, "completion_tokens")) > 0);
    assert_int_equal(number(AT(usage, "total_tokens")),
                     number(AT(usage, "prompt_tokens")) + number(AT(usage, "completion_tokens")));
    assert_int_equal(chat_tokens(STR("  caf\xc3\xa9 no. 12 \n")), 4);
    assert_int_equal(chat_first_tokens(STR("ab, cd"), 2).len, 3);
}

static void the_completion_is_the_decision_of_its_id(void **state)
{
    struct service_fixture *f = *state;
    char path[64];

    const struct json *id = json_find(parse(f, chat(f, ASK "}"), 200), "id");
    snprintf(path, sizeof(path), "/v1/decisions/%.*s", STR_ARG(id->text));
    const struct json *d = parse(f, fixture_ask(f, "GET", path, "", ""), 200);
    assert_text(AT(d, "output", "priority"), "high");
    assert_text(AT(d, "input", "text"), "refund my money now, this is urgent");
}

/* ---- where the input is */

static void the_input_is_json_or_for_one_text_the_message_itself(void **state)
{
    struct service_fixture *f = *state;

    const char *plain = content_of(f, ASK "}");
    assert_string_equal(
        content_of(f, "{\"model\":\"triage\"," USER("\"{\\\"text\\\":\\\"refund my "
                                                    "money now, this is urgent\\\"}\"") "}"),
        plain);
    assert_string_equal(
        content_of(f, "{\"model\":\"triage\"," USER("[{\"type\":\"text\",\"text\":" URGENT_TEXT
                                                    "}]") ",\"a_field_of_2031\":7}"),
        plain);
    /* the rule needs total, which text alone does not have */
    assert_non_null(strstr(content_of(f, "{\"model\":\"triage\"," USER(
                                             "\"The case: {\\\"text\\\":\\\"a question, thank "
                                             "you\\\",\\\"total\\\":1000}. Decide {it}!\"") "}"),
                           "high"));
}

static void the_newest_object_that_fits_is_the_input(void **state)
{
    struct service_fixture *f = *state;
    static const char *const wrapped =
        "{\"model\":\"triage\",\"messages\":["
        "{\"role\":\"system\",\"content\":\"{\\\"text\\\":\\\"a question\\\"}\"},"
        "{\"role\":\"user\",\"content\":\"{\\\"text\\\":\\\"a question, thank you\\\"}\"},"
        "{\"role\":\"assistant\",\"content\":null},"
        "{\"role\":\"user\",\"content\":\"Ticket: {\\\"text\\\":\\\"urgent: refund my money, "
        "}\\\"}\"},"
        "{\"role\":\"user\",\"name\":\"triage\",\"content\":\"{\\\"issue_type\\\":\\\"billing\\\"}"
        "\"}]}";

    assert_non_null(strstr(content_of(f, wrapped), "\"high\""));
}

static void an_input_that_does_not_fit_names_the_member(void **state)
{
    static const char *const misfit =
        "{\"model\":\"triage\"," USER("\"{\\\"text\\\":\\\"a\\\",\\\"total\\\":-1}\"") "}";
    struct service_fixture *f = *state;

    assert_refused(f, misfit, "range", "messages");
    assert_non_null(strstr(chat(f, misfit), "total"));
    assert_refused(f,
                   "{\"model\":\"triage\",\"messages\":[{\"role\":\"system\",\"content\":\"x\"}]}",
                   "invalid", "messages");
    assert_refused(f, "{\"model\":\"triage\"," USER("[{\"type\":\"image_url\"}]") "}", "invalid",
                   "messages");
}

static void too_long_an_input_is_told_in_the_words_that_frameworks_look_for(void **state)
{
    static char body[4096], text[2200];
    struct service_fixture *f = *state;

    memset(text, 'a', sizeof(text) - 1);
    snprintf(body, sizeof(body), "{\"model\":\"triage\"," USER("\"%s\"") "}", text);
    const char *answer = chat(f, body);
    assert_error(f, answer, 400, "invalid_request_error", "context_length_exceeded", "messages");
    assert_non_null(strstr(answer, "maximum context length"));
    assert_non_null(strstr(strstr(answer, "\"message\""), "(context_length_exceeded)"));
}

/* ---- streams: rules 2.5.1 to 2.5.9 */

/* The events of a stream, parsed; the last one is not: it must be [DONE]. */
static size_t events_of(struct service_fixture *f, const char *answer,
                        const struct json *events[64])
{
    const char *from = body_of(answer);
    size_t n = 0;

    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "Content-Type: text/event-stream\r\n"));
    while (strcmp(from, "data: [DONE]\n\n") != 0) {
        const char *end = strstr(from, "\n\n");
        struct json *event;
        assert_true(end && strncmp(from, "data: {", 7) == 0 && n < 64);
        assert_ok(json_parse((struct str){ from + 6, (size_t)(end - from) - 6 },
                             JSON_DUPLICATES_REFUSED, &f->arena, &event, &f->err),
                  &f->err);
        events[n++] = event;
        from = end + 2;
    }
    return n;
}

static void every_event_has_the_same_id_object_created_and_model(void **state)
{
    struct service_fixture *f = *state;
    const struct json *events[64];
    size_t n = events_of(f, chat(f, ASK ",\"stream\":true}"), events);

    for (size_t i = 0; i < n; i++) {
        assert_true(str_equal(json_find(events[i], "id")->text, json_find(events[0], "id")->text));
        assert_text(json_find(events[i], "object"), "chat.completion.chunk");
        assert_int_equal(number(json_find(events[i], "created")), f->now_ms / 1000);
        assert_text(json_find(events[i], "model"), "support/triage");
        assert_int_equal(number(AT(events[i], "choices", "0", "index")), 0);
    }
}

static void a_stream_is_role_then_content_then_an_empty_delta_with_the_reason(void **state)
{
    struct service_fixture *f = *state;
    const struct json *events[64];
    char text[256] = "";
    size_t n = events_of(f, chat(f, ASK ",\"stream\":true}"), events);

    assert_true(n > 3);
    assert_text(AT(events[0], "choices", "0", "delta", "role"), "assistant");
    assert_text(AT(events[0], "choices", "0", "delta", "content"), "");
    for (size_t i = 1; i < n - 1; i++) {
        const struct json *delta = AT(events[i], "choices", "0", "delta");
        assert_int_equal(delta->n, 1);
        assert_int_equal(AT(events[i], "choices", "0", "finish_reason")->type, JSON_NULL);
        strncat(text, AT(delta, "content")->text.at, sizeof(text) - strlen(text) - 1);
    }
    assert_int_equal(AT(events[n - 1], "choices", "0", "delta")->n, 0);
    assert_text(AT(events[n - 1], "choices", "0", "finish_reason"), "stop");
    assert_string_equal(text, content_of(f, ASK "}"));
}

static void usage_comes_alone_behind_the_finish_and_only_when_asked_for(void **state)
{
    struct service_fixture *f = *state;
    const struct json *events[64];
    size_t n = events_of(f, chat(f, ASK ",\"stream\":true}"), events);

    for (size_t i = 0; i < n; i++)
        assert_null(json_find(events[i], "usage"));
    n = events_of(f, chat(f, ASK ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"),
                  events);
    for (size_t i = 0; i < n - 1; i++)
        assert_null(json_find(events[i], "usage"));
    assert_int_equal(json_find(events[n - 1], "choices")->n, 0);
    assert_int_equal(number(AT(events[n - 1], "usage", "prompt_tokens")), 16);
    assert_text(AT(events[n - 2], "choices", "0", "finish_reason"), "stop");
}

static void an_error_of_a_stream_request_is_an_http_error(void **state)
{
    struct service_fixture *f = *state;

    assert_error(f, chat(f, "{\"stream\":true,\"model\":\"no/such\"," USER("\"x\"") "}"), 404,
                 "invalid_request_error", "model_not_found", "model");
}

/* ---- response_format, limits, tools */

static void a_schema_that_fits_gives_the_same_bytes_and_a_smaller_one_fewer_members(void **state)
{
#define FORMAT(schema)                                                                    \
    ASK ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\"," \
        "\"strict\":"                                                                     \
        "true,\"schema\":" schema "}}}"
    struct service_fixture *f = *state;
    const char *plain = content_of(f, ASK "}");

    assert_string_equal(content_of(f, ASK ",\"response_format\":{\"type\":\"json_object\"}}"),
                        plain);
    assert_string_equal(content_of(f, FORMAT("{\"type\":\"object\",\"properties\":{\"priority\":{"
                                             "\"type\":\"string\",\"enum\":[\"low\",\"high\"]},"
                                             "\"due\":{\"type\":\"string\"}}}")),
                        plain);
    assert_string_equal(content_of(f, FORMAT("{\"type\":\"object\",\"additionalProperties\":false,"
                                             "\"required\":[\"priority\"],\"properties\":{"
                                             "\"priority\":{\"title\":\"P\"}}}")),
                        "{\"priority\":\"high\"}");
}

static void a_schema_that_the_output_cannot_have_is_refused(void **state)
{
    struct service_fixture *f = *state;

    assert_refused(f, FORMAT("{\"required\":[\"opening_hours_on_mars\"]}"), "invalid",
                   "response_format");
    assert_refused(f, FORMAT("{\"properties\":{\"priority\":{\"enum\":[\"low\"]}}}"), "invalid",
                   "response_format");
    assert_refused(f, FORMAT("{\"properties\":{\"priority\":{\"type\":\"integer\"}}}"), "invalid",
                   "response_format");
    assert_refused(f, ASK ",\"response_format\":{\"type\":\"xml\"}}", "invalid", "response_format");
    assert_refused(f, ASK ",\"response_format\":{\"type\":\"json_schema\"}}", "invalid",
                   "response_format");
}

/* The service of this file answers one label; what is asked for a set, the check alone sees. */
static void the_items_of_a_set_are_checked_too(void **state)
{
    static const char text[] =
        "slm: check\n"
        "input: {type: object, properties: {text: {type: string}}}\n"
        "output: {type: object, properties: {why: {type: array, uniqueItems: true, items: {enum: "
        "[price, terms]}}}}\n"
        "data: [{path: rows.jsonl}]\n";
    static const struct {
        const char *why;
        bool fits;
    } cases[] = { { "{\"type\":\"array\",\"items\":{\"enum\":[\"terms\",\"price\",\"x\"]}}", true },
                  { "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", true },
                  { "{\"type\":\"array\",\"items\":{\"enum\":[\"price\"]}}", false },
                  { "{\"items\":{\"type\":\"number\"}}", false },
                  { "{\"type\":\"string\"}", false } };
    struct service_fixture *f = *state;
    struct problems problems;
    struct spec *spec = NULL;

    problem_init(&problems, &f->arena);
    assert_ok(spec_parse(str_of(text), "s", &f->arena, &spec, &problems, &f->err), &f->err);
    assert_non_null(spec);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct chat_request request = { 0 };
        struct json *schema;
        char whole[200];

        snprintf(whole, sizeof(whole), "{\"properties\":{\"why\":%s}}", cases[i].why);
        assert_ok(json_parse(str_of(whole), JSON_DUPLICATES_REFUSED, &f->arena, &schema, &f->err),
                  &f->err);
        request.schema = schema;
        assert_int_equal(chat_check_schema(&request, spec, &f->err),
                         cases[i].fits ? RC_OK : RC_INVALID);
    }
}

static void both_names_of_the_limit_cut_the_answer_and_say_so(void **state)
{
    static const char *const limits[] = { ASK ",\"max_tokens\":2}",
                                          ASK ",\"max_completion_tokens\":2}" };
    struct service_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        const struct json *r = parse(f, chat(f, limits[i]), 200);
        assert_text(AT(r, "choices", "0", "message", "content"), "{\"");
        assert_text(AT(r, "choices", "0", "finish_reason"), "length");
        assert_int_equal(number(AT(r, "usage", "completion_tokens")), 2);
    }
    assert_non_null(strstr(content_of(f, ASK ",\"max_tokens\":1000}"), "\"high\""));
}

static void what_would_change_the_answer_and_cannot_is_refused_by_its_name(void **state)
{
    struct service_fixture *f = *state;

    assert_refused(f, ASK ",\"n\":2}", "unsupported", "n");
    assert_refused(f, ASK ",\"logprobs\":true}", "unsupported", "logprobs");
    assert_refused(f, ASK ",\"tool_choice\":\"required\"}", "unsupported", "tool_choice");
    assert_refused(f, ASK ",\"tool_choice\":{\"type\":\"function\"}}", "unsupported",
                   "tool_choice");
    assert_refused(f, ASK ",\"temperature\":-1}", "invalid", "temperature");
    assert_refused(f, ASK ",\"max_tokens\":0}", "invalid", "max_tokens");
    assert_refused(f, ASK ",\"stream\":\"yes\"}", "invalid", "stream");
}

static void settings_without_effect_nulls_and_tools_on_offer_are_taken(void **state)
{
    struct service_fixture *f = *state;

    assert_string_equal(
        content_of(f, ASK
                   ",\"temperature\":0.7,\"top_p\":1,\"seed\":7,\"stop\":[\"x\"],\"user\":\"u\","
                   "\"n\":1,\"tools\":[{\"type\":\"function\"}],\"tool_choice\":\"auto\","
                   "\"logprobs\":null,\"stream\":null,\"max_tokens\":null,"
                   "\"response_format\":null,\"store\":false,\"metadata\":{}}"),
        content_of(f, ASK "}"));
}

/* ---- abstention, keys, errors, models */

static void an_abstention_is_told_in_the_content_and_as_a_refusal(void **state)
{
    struct service_fixture *f = *state;
    struct chat_request request = { .model = STR("triage"), .max_tokens = SIZE_MAX };
    struct decision d = { .id = "dec_1",
                          .input = STR("{}"),
                          .answer = STR("{\"output\":null,\"abstained\":{\"reason\":"
                                        "\"low_confidence\",\"text\":\"not sure\","
                                        "\"suggestion\":{\"priority\":\"low\"}}}") };
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_ok(chat_append_answer(&request, &d, &f->arena, &out, &f->err), &f->err);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.at, "\"content\":\"{\\\"abstained\\\":{\\\"reason\\\":"
                                   "\\\"low_confidence\\\""));
    assert_non_null(strstr(out.at, "\"refusal\":\"not sure\""));
    assert_non_null(strstr(out.at, "\"finish_reason\":\"stop\""));
    buf_reset(&out);
    request.stream = true;
    assert_ok(chat_append_answer(&request, &d, &f->arena, &out, &f->err), &f->err);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.at, "\"delta\":{\"role\":\"assistant\",\"content\":\"\","
                                   "\"refusal\":\"not sure\"}"));
    buf_release(&out);

    d.answer = STR("{\"output\":7}");
    assert_int_equal(chat_append_answer(&request, &d, &f->arena, &out, &f->err), RC_CORRUPT);
}

static void one_idempotency_key_is_one_decision_whichever_api_it_came_by(void **state)
{
    static char first[4096];
    struct service_fixture *f = *state;
    const char *key = "Idempotency-Key: k1\r\n";

    snprintf(first, sizeof(first), "%s",
             body_of(fixture_ask(f, "POST", "/v1/chat/completions", key, ASK "}")));
    assert_string_equal(body_of(fixture_ask(f, "POST", "/v1/chat/completions", key, ASK "}")),
                        first);
    const struct json *d =
        parse(f, fixture_ask(f, "POST", "/v1/slms/triage/decisions", key, URGENT), 200);
    assert_non_null(strstr(first, AT(d, "id")->text.at));
    assert_error(f,
                 fixture_ask(f, "POST", "/v1/chat/completions", key,
                             "{\"model\":\"triage\"," USER("\"other\"") "}"),
                 409, "invalid_request_error", "conflict", NULL);
}

static void errors_have_message_type_param_and_code_wherever_they_arise(void **state)
{
    struct service_fixture *f = *state;
    char key[PRINCIPAL_KEY_LEN + 1];

    assert_refused(f, "{\"model\": ", "invalid", NULL);
    assert_refused(f, "[]", "invalid", NULL);
    assert_refused(f, "{" USER("\"x\"") "}", "invalid", "model");
    assert_refused(f, "{\"model\":\"triage\"}", "invalid", "messages");
    assert_refused(f, "{\"model\":\"triage\",\"messages\":[]}", "invalid", "messages");
    assert_refused(f, "{\"model\":\"triage\",\"messages\":\"x\"}", "invalid", "messages");
    assert_refused(f, "{\"model\":\"triage\",\"messages\":[{\"role\":\"king\"}]}", "invalid",
                   "messages");
    assert_error(f, fixture_ask(f, "POST", "/v1/no/such/path", "", "{}"), 404,
                 "invalid_request_error", "not_found", NULL);
    memcpy(key, f->key, sizeof(key));
    f->key[PRINCIPAL_KEY_LEN - 1] ^= 1;
    assert_error(f, chat(f, ASK "}"), 401, "authentication_error", "invalid_api_key", NULL);
    memcpy(f->key, key, sizeof(key));
}

static void models_are_listed_and_found_by_both_names_and_an_encoded_slash(void **state)
{
    static const char *const names[] = { "/v1/models/triage", "/v1/models/support%2Ftriage",
                                         "/v1/models/support/triage", "/models/triage" };
    struct service_fixture *f = *state;
    const struct json *list = parse(f, fixture_ask(f, "GET", "/v1/models", "", ""), 200);

    assert_text(AT(list, "object"), "list");
    assert_text(AT(list, "data", "0", "id"), "support/triage");
    assert_text(AT(list, "data", "0", "object"), "model");
    assert_int_equal(number(AT(list, "data", "0", "created")), f->now_ms / 1000);
    assert_text(AT(list, "data", "0", "owned_by"), "support");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_text(json_find(parse(f, fixture_ask(f, "GET", names[i], "", ""), 200), "id"),
                    "support/triage");
    assert_error(f, fixture_ask(f, "GET", "/v1/models/finance%2Ftriage", "", ""), 404,
                 "invalid_request_error", "model_not_found", "model");
}

static void the_v1_may_be_left_out(void **state)
{
    struct service_fixture *f = *state;

    assert_int_equal(status_of(fixture_ask(f, "POST", "/chat/completions", "", ASK "}")), 200);
    assert_int_equal(status_of(fixture_ask(f, "GET", "/models", "", "")), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_completion_has_every_member_that_the_api_requires),
        TEST(usage_adds_up_and_counts_the_input_and_the_answer),
        TEST(the_completion_is_the_decision_of_its_id),
        TEST(the_input_is_json_or_for_one_text_the_message_itself),
        TEST(the_newest_object_that_fits_is_the_input),
        TEST(an_input_that_does_not_fit_names_the_member),
        TEST(too_long_an_input_is_told_in_the_words_that_frameworks_look_for),
        TEST(every_event_has_the_same_id_object_created_and_model),
        TEST(a_stream_is_role_then_content_then_an_empty_delta_with_the_reason),
        TEST(usage_comes_alone_behind_the_finish_and_only_when_asked_for),
        TEST(an_error_of_a_stream_request_is_an_http_error),
        TEST(a_schema_that_fits_gives_the_same_bytes_and_a_smaller_one_fewer_members),
        TEST(a_schema_that_the_output_cannot_have_is_refused),
        TEST(the_items_of_a_set_are_checked_too),
        TEST(both_names_of_the_limit_cut_the_answer_and_say_so),
        TEST(what_would_change_the_answer_and_cannot_is_refused_by_its_name),
        TEST(settings_without_effect_nulls_and_tools_on_offer_are_taken),
        TEST(an_abstention_is_told_in_the_content_and_as_a_refusal),
        TEST(one_idempotency_key_is_one_decision_whichever_api_it_came_by),
        TEST(errors_have_message_type_param_and_code_wherever_they_arise),
        TEST(models_are_listed_and_found_by_both_names_and_an_encoded_slash),
        TEST(the_v1_may_be_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
