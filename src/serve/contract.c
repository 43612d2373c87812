#include "serve/contract.h"

enum rc serve_contract_admit(const struct spec *spec, const struct principal *principal,
                             struct str flow, const struct json *input,
                             const struct spec_contract **ret_contract, struct err *err)
{
    const struct spec_contract *contract = spec_find_contract(spec, flow);

    if (!flow.at && !(principal->scopes & PRINCIPAL_DECIDE))
        return err_set(err, RC_DENIED, "the key is for flows: the field Shoal-Flow is missing");
    if (flow.at && !contract)
        return err_set(err, RC_DENIED, "this version of the SLM has no contract with flow '%.*s'",
                       (int)(flow.len < SPEC_NAME_MAX ? flow.len : SPEC_NAME_MAX), flow.at);
    for (size_t i = 0; contract && i < input->n; i++)
        if (!spec_lists(contract->send, contract->n_send, input->members[i].key))
            return err_set(err, RC_DENIED, "the contract with flow '%.*s' does not let in '%.*s'",
                           STR_ARG(contract->flow.text), STR_ARG(input->members[i].key));
    *ret_contract = flow.at ? contract : NULL;
    return RC_OK;
}

static void append_output(struct json_writer *w, const struct spec_contract *contract,
                          const struct json *output)
{
    if (!output || output->type != JSON_OBJECT) {
        json_null(w);
        return;
    }
    json_begin_object(w);
    for (size_t i = 0; i < output->n; i++) {
        if (!spec_lists(contract->read, contract->n_read, output->members[i].key))
            continue;
        json_key_str(w, output->members[i].key);
        json_value(w, &output->members[i].value);
    }
    json_end_object(w);
}

enum rc serve_contract_append_answer(struct buf *out, const struct spec_contract *contract,
                                     const struct decision *decision, struct arena *arena,
                                     struct err *err)
{
    struct json_writer w;
    struct json *answer;
    enum rc rc = json_parse(decision->answer, JSON_DUPLICATES_REFUSED, arena, &answer, err);

    if (rc == RC_INVALID)
        return err_set(err, RC_CORRUPT, "decision %s has no answer", decision->id);
    if (rc)
        return rc;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "id");
    json_text(&w, decision->id);
    json_key(&w, "output");
    append_output(&w, contract, json_find(answer, "output"));
    json_key(&w, "abstained");
    json_text(&w, decision->abstained);
    json_key(&w, "version");
    json_text(&w, decision->version.hex);
    json_end_object(&w);
    return buf_rc(out, "answer", err);
}
