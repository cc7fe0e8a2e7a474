package cases

import (
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// tcpkill resets the connections of packets that a filter matches. Its capture
// library hands packets on in batches, twice a second.
func tcpkill(filter string) lab.Program {
	return lab.Program{Command: []string{"tcpkill", "-i", "near", filter}, Says: "listening on"}
}

// nginx is the web server, in one process, with server blocks.
func nginx(ipv6 bool, servers string) lab.Program {
	listen := ""
	if ipv6 {
		listen = "[::]:"
	}
	return lab.Program{
		Command: []string{"nginx", "-p", ".", "-c", "nginx.conf", "-e", "stderr"},
		Files:   map[string]string{"nginx.conf": fmt.Sprintf(nginxConfig, strings.ReplaceAll(servers, "ANY:", listen))},
		Listens: []uint16{443, 80},
	}
}

// nginxConfig has all its files where it runs, and keeps the user that
// started it.
const nginxConfig = `user root;
daemon off;
master_process off;
pid nginx.pid;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	ssl_certificate ` + lab.CertificateFile + `;
	ssl_certificate_key ` + lab.CertificateFile + `;
	%s
}
`

// server is a server block for a name, "" for all that have no other.
func server(name, directives string) string {
	what := ""
	if name == "" {
		what, name = " default_server", "_"
	}
	return fmt.Sprintf("server { listen ANY:80%[1]s; listen ANY:443 ssl%[1]s; server_name %[2]s; %[3]s }\n", what, name, directives)
}

// haproxy is the proxy, in one process, listening on a port.
func haproxy(node int, config string, port uint16) lab.Program {
	return lab.Program{
		Node:    node,
		Command: []string{"haproxy", "-db", "-f", "haproxy.cfg"},
		Files:   map[string]string{"haproxy.cfg": config},
		Listens: []uint16{port},
	}
}

const haproxyHead = `global
	maxconn 256
	nbthread 1
defaults
	timeout connect 5s
	timeout client 1m
	timeout server 1m
	timeout tarpit 1m
`

// sniRule treats connections for the blocked server name in a way.
func sniRule(way string) string {
	return fmt.Sprintf("tcp-request inspect-delay 5s\ntcp-request content %s if { req.ssl_sni -i %s }\ntcp-request content accept if { req.ssl_hello_type 1 }", way, Blocked)
}

// hostRule treats requests for the blocked host in a way.
func hostRule(way string) string {
	return fmt.Sprintf("http-request %s if { req.hdr(host) -i %s }", way, Blocked)
}

// indent puts lines into a section.
func indent(lines string) string {
	return "\t" + strings.ReplaceAll(lines, "\n", "\n\t")
}
