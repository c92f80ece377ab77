//! SQLite's built-in functions.

/// Decided by the arguments.
pub(super) const PURE: &[&str] = &[
    "coalesce ifnull nullif iif if exists row",
    // Aggregates and windows. A `min` or `max` of several arguments is a plain function.
    "count sum total avg min max group_concat string_agg median percentile percentile_cont percentile_disc rank dense_rank percent_rank cume_dist
     row_number ntile lag lead first_value last_value nth_value",
    // Numbers.
    "abs acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power radians round sign sin sinh
     sqrt tan tanh trunc",
    // Text and bytes.
    "char concat concat_ws format glob hex instr length like likelihood likely unlikely lower ltrim octet_length printf quote replace rtrim soundex substr
     substring trim typeof unhex unicode unistr unistr_quote upper zeroblob subtype regexp",
    // JSON.
    "json json_array json_array_insert json_array_length json_error_position json_extract json_group_array json_group_object json_insert json_object
     json_patch json_pretty json_quote json_remove json_replace json_set json_type json_valid jsonb jsonb_array jsonb_array_insert jsonb_extract
     jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove jsonb_replace jsonb_set json_each json_tree jsonb_each
     jsonb_tree",
    // Full-text search over a table that the catalog must know anyway.
    "bm25 highlight snippet matchinfo offsets",
];

/// Bound to time, connection or chance. The date functions take `'now'` from any argument, a bound one included, so none of them is decided by its text.
pub(super) const HARMLESS: &[&str] = &[
    "date time datetime julianday unixepoch strftime timediff current_date current_time current_timestamp random randomblob
     changes total_changes last_insert_rowid sqlite_version sqlite_source_id sqlite_compileoption_get sqlite_compileoption_used sqlite_offset",
];
