//! The built-in functions of MySQL and MariaDB.

/// Decided by the arguments, and by settings that belong to the session's fingerprint.
pub(super) const PURE: &[&str] = &[
    "coalesce nullif ifnull if isnull greatest least interval nvl nvl2 decode_oracle values value grouping any_value row exists cast convert binary",
    // Aggregates and windows.
    "count sum avg min max group_concat json_arrayagg json_objectagg bit_and bit_or bit_xor std stddev stddev_pop stddev_samp variance var_pop var_samp
     median percentile_cont percentile_disc rank dense_rank percent_rank cume_dist row_number ntile lag lead first_value last_value nth_value",
    // Numbers.
    "abs acos asin atan atan2 ceil ceiling conv cos cot crc32 crc32c degrees exp floor ln log log10 log2 mod oct pi pow power radians round sign sin sqrt
     tan truncate bit_count",
    // Text and bytes.
    "ascii bin bit_length char char_length character_length chr concat concat_ws elt export_set field find_in_set format format_bytes from_base64 hex
     insert instr lcase left length lengthb locate lower lpad ltrim make_set md5 mid natural_sort_key octet_length ord position quote regexp_instr
     regexp_like regexp_replace regexp_substr repeat replace reverse right rpad rtrim sha sha1 sha2 soundex space sformat strcmp substr substring
     substring_index to_base64 trim ucase unhex upper weight_string compress uncompress uncompressed_length charset collation coercibility
     aes_encrypt aes_decrypt match",
    // Dates and times of given values, which mean the same on every day.
    "from_days from_unixtime get_format hour makedate microsecond minute period_add period_diff second time_format time_to_sec",
    // JSON.
    "json_array json_array_append json_array_insert json_compact json_contains json_contains_path json_depth json_detailed json_equals json_exists
     json_extract json_insert json_keys json_length json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_object json_overlaps
     json_pretty json_query json_quote json_remove json_replace json_search json_set json_storage_size json_table json_type json_unquote json_valid
     json_value member",
    // Networks and identifiers of given values.
    "inet6_aton inet6_ntoa inet_aton inet_ntoa is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid uuid_to_bin bin_to_uuid",
    // Geometry.
    "st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_centroid st_contains st_convexhull st_crosses st_difference st_dimension
     st_disjoint st_distance st_distance_sphere st_endpoint st_envelope st_equals st_exteriorring st_geometryn st_geometrytype st_geomfromgeojson
     st_geomfromtext st_geomfromwkb st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple st_isvalid st_latitude st_length
     st_longitude st_numgeometries st_numpoints st_overlaps st_pointfromtext st_pointn st_simplify st_srid st_startpoint st_symdifference st_touches
     st_transform st_union st_within st_x st_y point linestring polygon mbrcontains mbrintersects mbrwithin",
];

/// Convert to a date: a time of day becomes that time today, so these are pure only where no time of day can occur.
pub(super) const DATE: &[&str] = &[
    "adddate add_months date date_add date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear extract last_day month monthname
     months_between quarter subdate timestamp timestampadd timestampdiff to_char to_days to_seconds week weekday weekofyear year yearweek convert_tz",
];

/// Make a time of day.
pub(super) const TIME_OF_DAY: &[&str] = &["addtime maketime sec_to_time str_to_date subtime time timediff"];

/// Bound to time, session, user or chance, or slow, but certain to write nothing that a query reads.
pub(super) const HARMLESS: &[&str] = &[
    "now curdate curtime current_date current_time current_timestamp localtime localtimestamp sysdate utc_date utc_time utc_timestamp
     rand random_bytes uuid uuid_short uuid_v4 uuid_v7 sys_guid sleep benchmark",
    "last_insert_id found_rows row_count connection_id user current_user session_user system_user current_role database schema version
     nextval lastval get_lock release_lock release_all_locks is_free_lock is_used_lock load_file master_pos_wait master_gtid_wait
     wait_for_executed_gtid_set ps_current_thread_id ps_thread_id name_const rownum rowid default encode decode encrypt password old_password
     des_encrypt des_decrypt validate_password_strength json_storage_free statement_digest statement_digest_text extractvalue updatexml",
];
