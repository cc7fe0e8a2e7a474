package oonitest

// The tables of OONI's data format 0.2.0, as far as rstprobe writes it:
// ooni/spec data-formats df-000 … df-008 and nettests ts-024, ts-027, ts-037,
// ts-038. Of what oonidata types more narrowly than the specification, the
// narrower holds.

var (
	// failure is null, or one of the strings of df-007-errors.
	failure = orNull(matching(`connection_refused|connection_reset|connection_aborted|generic_timeout_error|timed_out|eof_error|` +
		`host_unreachable|network_unreachable|network_down|network_reset|address_not_available|permission_denied|interrupted|` +
		`ssl_failed_handshake|ssl_invalid_hostname|ssl_unknown_authority|ssl_invalid_certificate|` +
		`dns_nxdomain_error|dns_no_answer|dns_servfail_error|dns_refused_error|dns_server_misbehaving|dns_bogon_error|dns_temporary_failure|` +
		`unknown_failure: .+`))
	tags        = list(text)
	transaction = func(at string, v any) error {
		if v == 0.0 {
			return wrong(at, "0 is read as none: ids begin at 1")
		}
		return whole(at, v)
	}
	moment = matching(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

	tcpConnect = object(map[string]shape{
		"ip": text, "port": whole, "t0": number, "t": number, "tags": tags, "transaction_id": transaction,
		"status": object(map[string]shape{"failure": failure, "success": boolean}),
	})
	tlsHandshake = object(map[string]shape{
		"network": words("tcp"), "address": text, "cipher_suite": text, "failure": failure, "?so_error": matching(`[a-z_]+`),
		"negotiated_protocol": text, "no_tls_verify": boolean,
		"peer_certificates": list(object(map[string]shape{"format": words("base64"), "data": text})),
		"server_name":       text, "t0": number, "t": number, "tags": tags, "tls_version": text, "transaction_id": transaction,
	})
	networkEvent = object(map[string]shape{
		"address": text, "failure": failure, "?num_bytes": whole, "proto": words("tcp"), "t0": number, "t": number, "tags": tags, "transaction_id": transaction,
		"operation": words("bytes_received_cumulative", "connect", "read", "read_from", "write", "write_to",
			"tls_handshake_start", "tls_handshake_done", "resolve_start", "resolve_done"),
	})
	query = object(map[string]shape{
		"hostname": text, "query_type": words("A", "AAAA", "ANY"), "engine": text, "failure": failure, "resolver_address": text,
		"resolver_hostname": null, "resolver_port": null, "t0": number, "t": number, "tags": tags, "transaction_id": transaction,
		"answers": list(object(map[string]shape{"answer_type": words("A", "AAAA"), "?ipv4": text, "?ipv6": text, "ttl": null})),
	})
	headers     = mapOf(text)
	headersList = list(list(text))
	request     = object(map[string]shape{
		"network": words("tcp"), "address": text, "alpn": text, "failure": failure, "t0": number, "t": number, "tags": tags, "transaction_id": transaction,
		"request": object(map[string]shape{
			"url": matching(`https?://.+`), "method": text, "headers": headers, "headers_list": headersList, "body": text, "body_is_truncated": boolean,
			"tor": object(map[string]shape{"exit_ip": null, "exit_name": null, "is_tor": exactly(false)}),
		}),
		"response": object(map[string]shape{"code": whole, "headers": headers, "headers_list": headersList, "body": text, "body_is_truncated": boolean}),
	})

	urlGetterKeys = map[string]shape{
		"agent": words("agent"), "failed_operation": orNull(words("connect", "tls_handshake", "http_round_trip", "top_level", "resolve")), "failure": failure,
		"network_events": list(networkEvent), "queries": list(query), "requests": list(request),
		"tcp_connect": list(tcpConnect), "tls_handshakes": list(tlsHandshake),
	}
	side  = object(with(urlGetterKeys, map[string]shape{"sni": text, "th_address": text}))
	trace = object(map[string]shape{
		"server_name": text, "iterations": list(object(map[string]shape{"ttl": transaction, "handshake": tlsHandshake})),
	})

	// testKeys are those of each test, by its name.
	testKeys = map[string]struct {
		version string
		keys    shape
		input   shape
	}{
		"urlgetter": {"0.2.0", object(urlGetterKeys), orNull(matching(`(tcpconnect|tlshandshake|dnslookup|http)://.+`))},
		"sni_blocking": {"0.3.0", object(map[string]shape{
			"control": side, "target": side,
			"result": words("success.got_server_hello", "interference.reset", "interference.closed", "interference.invalid_certificate",
				"interference.unknown_authority", "anomaly.timeout", "anomaly.test_helper_unreachable", "anomaly.unexpected_failure"),
		}), text},
		"tlsmiddlebox": {"0.1.2", object(map[string]shape{
			"queries": list(query), "tcp_connect": list(tcpConnect),
			"iterative_trace": list(object(map[string]shape{"address": text, "control_trace": trace, "target_trace": trace})),
		}), matching(`tlstrace://.+`)},
		"portfiltering": {"0.1.0", object(map[string]shape{"tcp_connect": list(tcpConnect)}), null},
	}

	envelope = object(map[string]shape{
		"annotations": object(map[string]shape{
			"architecture": text, "engine_name": text, "engine_version": text, "go_version": text, "platform": text,
		}), "data_format_version": words("0.2.0"), "extensions": mapOf(whole), "?id": text,
		"input":                  orNull(matching(`.+`)), // an empty one must be null
		"measurement_start_time": moment, "test_start_time": moment,
		"measurement_uid": matching(`\d{14}\.\d{6}_[A-Z]{2}_[a-z]+_[0-9a-f]{16}`),
		"options":         list(matching(`[A-Za-z]+=.*`)),
		"probe_asn":       matching(`AS\d+`), "probe_cc": matching(`[A-Z]{2}`), "probe_ip": words("127.0.0.1"), "probe_network_name": text,
		"report_id":    text,
		"resolver_asn": matching(`AS\d+`), "resolver_ip": text, "resolver_network_name": text,
		"software_name": words("rstprobe"), "software_version": text,
		"test_keys": anything, "test_name": text, "test_version": text, "test_runtime": number,
	})
)

// exactly is one truth value.
func exactly(want bool) shape {
	return func(at string, v any) error {
		if v != want {
			return wrong(at, "%v is not %v", v, want)
		}
		return nil
	}
}
