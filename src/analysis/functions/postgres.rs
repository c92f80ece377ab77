//! PostgreSQL's built-in functions.

/// Immutable, or stable by settings that belong to the session's fingerprint.
///
/// Left out although `pg_proc` calls them stable: what reads text as a date (`json_populate_record`, `jsonb_to_recordset`: the text may say `now`), what
/// runs a query (`query_to_xml`, `ts_rewrite`), what reads the catalog (`pg_*`, `to_reg*`, `has_*_privilege`, `format_type`, `obj_description`).
pub(super) const PURE: &[&str] = &[
    // The parser's own.
    "coalesce nullif greatest least grouping array row exists any some all unnest",
    // Aggregates and windows.
    "count sum avg min max bool_and bool_or every bit_and bit_or bit_xor string_agg array_agg json_agg jsonb_agg json_object_agg jsonb_object_agg
     xmlagg range_agg range_intersect_agg any_value stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp regr_avgx regr_avgy
     regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy mode percentile_cont percentile_disc rank dense_rank percent_rank cume_dist
     row_number ntile lag lead first_value last_value nth_value",
    // Numbers.
    "abs cbrt ceil ceiling degrees div exp factorial floor gcd lcm ln log log10 min_scale mod numeric_inc pi power pow radians round scale sign sqrt
     trim_scale trunc width_bucket acos acosd asin asind atan atand atan2 atan2d cos cosd cot cotd sin sind tan tand sinh cosh tanh asinh acosh atanh erf
     erfc bit_count isfinite numeric int2 int4 int8 float4 float8 money",
    // Text and bytes.
    "ascii bit_length btrim char_length character_length chr concat concat_ws convert convert_from convert_to decode encode format initcap left length
     lower lpad ltrim md5 normalize octet_length overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count regexp_instr
     regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad
     rtrim split_part starts_with string_to_array string_to_table strpos substr substring to_ascii to_hex to_bin to_oct translate trim unistr upper
     get_bit get_byte set_bit set_byte sha224 sha256 sha384 sha512 crc32 crc32c casefold like notlike ilike text varchar bpchar bool json jsonb inet cidr uuid",
    // Dates: of given values only.
    "age date_bin date_part date_trunc date_add date_subtract extract justify_days justify_hours justify_interval make_date make_interval make_time
     make_timestamp make_timestamptz timezone to_char to_date to_number to_timestamp overlaps",
    // JSON.
    "array_to_json json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
     json_extract_path json_extract_path_text json_object json_object_keys json_strip_nulls json_typeof json_array json_arrayagg json_objectagg json_scalar
     json_query json_value json_exists jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
     jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match
     jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_typeof jsonb_contains
     jsonb_exists row_to_json to_json to_jsonb",
    // Arrays, ranges and sets of rows.
    "array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions array_prepend array_remove
     array_replace array_reverse array_sort array_to_string array_upper cardinality trim_array generate_series generate_subscripts lower_inc lower_inf
     upper_inc upper_inf isempty range_merge multirange int4range int8range numrange daterange tsrange tstzrange int4multirange int8multirange
     nummultirange datemultirange tsmultirange tstzmultirange num_nonnulls num_nulls",
    // Text search.
    "to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline setweight strip numnode querytree
     ts_delete ts_filter tsquery_phrase tsvector_to_array array_to_tsvector json_to_tsvector jsonb_to_tsvector",
    // Networks, geometry, enums, identifiers.
    "abbrev broadcast family host hostmask inet_merge inet_same_family masklen netmask network set_masklen macaddr8_set7bit area center diagonal diameter
     height isclosed isopen npoints pclose popen radius slope width bound_box box circle line lseg path point polygon enum_first enum_last enum_range
     uuid_extract_timestamp uuid_extract_version",
];

/// Volatile or bound to time, session, user or catalog, yet certain to write nothing that a query reads.
///
/// `nextval` and its kin write a sequence, which the cache never keeps.
pub(super) const HARMLESS: &[&str] = &[
    "now clock_timestamp statement_timestamp transaction_timestamp timeofday current_date current_time current_timestamp localtime localtimestamp
     random random_normal setseed gen_random_uuid uuidv4 uuidv7 uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4",
    "current_user session_user system_user user current_role current_catalog current_database current_schema current_schemas current_query
     current_setting inet_client_addr inet_client_port inet_server_addr inet_server_port version",
    "nextval currval lastval txid_current txid_current_if_assigned txid_current_snapshot txid_snapshot_xmin txid_snapshot_xmax txid_status
     pg_current_xact_id pg_current_xact_id_if_assigned pg_current_snapshot pg_snapshot_xmin pg_snapshot_xmax pg_xact_status",
    "pg_sleep pg_sleep_for pg_sleep_until pg_backend_pid pg_postmaster_start_time pg_conf_load_time pg_is_in_recovery pg_current_wal_lsn
     pg_current_wal_insert_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_wal_lsn_diff pg_blocking_pids
     pg_notify pg_cancel_backend pg_terminate_backend",
    "pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock
     pg_advisory_xact_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared",
    "pg_typeof pg_column_size pg_database_size pg_table_size pg_relation_size pg_total_relation_size pg_indexes_size pg_tablespace_size pg_size_pretty
     pg_size_bytes pg_get_serial_sequence pg_get_viewdef pg_get_indexdef pg_get_constraintdef pg_get_functiondef pg_get_triggerdef pg_get_expr
     pg_get_userbyid pg_get_ruledef pg_get_keywords pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_encoding_to_char
     pg_client_encoding obj_description col_description shobj_description format_type to_regclass to_regtype to_regproc to_regprocedure to_regnamespace
     to_regrole has_table_privilege has_schema_privilege has_column_privilege has_any_column_privilege has_database_privilege has_function_privilege
     has_sequence_privilege has_type_privilege pg_has_role row_security_active",
    "date time timetz timestamp timestamptz regclass regtype oid",
    "json_populate_record json_populate_recordset json_to_record json_to_recordset jsonb_populate_record jsonb_populate_recordset jsonb_to_record
     jsonb_to_recordset jsonb_path_query_tz jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_exists_tz jsonb_path_match_tz",
];
