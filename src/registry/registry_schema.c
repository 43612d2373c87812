#include "registry/registry_internal.h"

#include "base/macros.h"

/*
 * Triggers, not CHECK or FOREIGN KEY, hold what must never happen: a raw shell has foreign keys
 * off, and `pragma ignore_check_constraints` turns CHECK off. They are BEFORE triggers because
 * REPLACE deletes the row in its way without telling a DELETE trigger (recursive_triggers is off by
 * default); WITHOUT ROWID because a REPLACE on a rowid would pass by any check of the key; STRICT
 * so that a blob does not pass for a text.
 */
static const char create_version[] =
    "create table version ("
    "  digest text not null primary key,"
    "  slm text not null,"
    "  number integer not null,"
    "  verdict text not null,"
    "  reasons text not null," /* a JSON array of sentences */
    "  parent text references version (digest),"
    "  created_ms integer not null,"
    "  created_by text not null,"
    "  unique (slm, number)"
    ") strict, without rowid;"

    "create trigger version_insert before insert on version begin"
    "  select raise(abort, 'a registered version never changes')"
    "    where exists (select 1 from version where digest = new.digest"
    "                  or (slm = new.slm and number = new.number));"
    "  select raise(abort, 'a version is named by 64 lower-case hex digits')"
    "    where length(new.digest) <> 64 or new.digest glob '*[^0-9a-f]*';"
    "  select raise(abort, 'a verdict is accepted or rejected')"
    "    where new.verdict not in ('accepted', 'rejected');"
    "  select raise(abort, 'the versions of an slm are numbered without gaps')"
    "    where new.number is not"
    "      (select coalesce(max(number), 0) + 1 from version where slm = new.slm);"
    "end;"

    "create trigger version_update before update on version begin"
    "  select raise(abort, 'a registered version never changes');"
    "end;"

    "create trigger version_delete before delete on version begin"
    "  select raise(abort, 'a registered version is never deleted');"
    "end;";

/* before_seq: the row whose version a rollback of this one returns to; null: none. */
static const char create_alias[] =
    "create table alias_history ("
    "  slm text not null,"
    "  alias text not null,"
    "  seq integer not null,"
    "  from_digest text,"
    "  to_digest text not null references version (digest),"
    "  before_seq integer,"
    "  is_rollback integer not null,"
    "  principal text not null,"
    "  at_ms integer not null,"
    "  why text not null,"
    "  primary key (slm, alias, seq)"
    ") strict, without rowid;"

    "create trigger alias_history_insert before insert on alias_history begin"
    "  select raise(abort, 'an alias points to a registered version of its own slm')"
    "    where not exists"
    "      (select 1 from version where digest = new.to_digest and slm = new.slm);"
    "  select raise(abort, 'a rejected version cannot have the alias production')"
    "    where new.alias = 'production' and"
    "      (select verdict from version where digest = new.to_digest) is not 'accepted';"
    "  select raise(abort, 'an alias is a lower-case name')"
    "    where new.alias not glob '[a-z]*' or new.alias glob '*[^a-z0-9-]*';"
    "  select raise(abort, 'the history of an alias is appended to, without gaps')"
    "    where new.seq is not (select coalesce(max(seq), 0) + 1 from alias_history"
    "                          where slm = new.slm and alias = new.alias);"
    "  select raise(abort, 'a change of an alias starts from the version that has it')"
    "    where new.from_digest is not (select to_digest from alias_history"
    "      where slm = new.slm and alias = new.alias and seq = new.seq - 1);"
    "end;"

    "create trigger alias_history_update before update on alias_history begin"
    "  select raise(abort, 'the history of an alias never changes');"
    "end;"

    "create trigger alias_history_delete before delete on alias_history begin"
    "  select raise(abort, 'the history of an alias is never deleted');"
    "end;"

    "create view alias (slm, name, digest, seq, before_seq) as"
    "  select slm, alias, to_digest, seq, before_seq from alias_history h"
    "  where seq = (select max(seq) from alias_history where slm = h.slm and alias = h.alias);";

static const char *const migrations[] = { create_version, create_alias };

const struct store_schema registry_schema = { "registry", 0x53484c52 /* "SHLR" */, migrations,
                                              ARRAY_LEN(migrations) };
