package peers

import "strings"

// nginx as a proxy that keeps its connections, errors logged only. Without a
// master its one worker is the process that was started, and ends with it.
func nginx(site, upstream, dir string, limited bool) string {
	zone, limit := "", ""
	if limited {
		zone = "limit_req_zone $http_x_api_key zone=keys:10m rate=100000r/s;"
		limit = "limit_req zone=keys burst=100000 nodelay; limit_req_status 429;"
	}
	return strings.NewReplacer("SITE", site, "UPSTREAM", upstream, "DIR", dir, "ZONE", zone, "LIMIT", limit).Replace(`
daemon off;
master_process off;
pid DIR/nginx.pid;
error_log DIR/error.log error;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;
	keepalive_requests 1000000000;
	keepalive_timeout 1h;
	upstream api {
		server UPSTREAM;
		keepalive 32;
		keepalive_requests 1000000000;
		keepalive_timeout 1h;
	}
	ZONE
	server {
		listen SITE;
		location / {
			LIMIT
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_pass http://api;
		}
	}
}
`)
}

// haproxy as a proxy that keeps its connections, without a log.
func haproxy(site, upstream, _ string, limited bool) string {
	limit := ""
	if limited {
		limit = `stick-table type string len 64 size 100k expire 10s store http_req_rate(1s)
	http-request track-sc0 req.hdr(X-Api-Key)
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000 }`
	}
	return strings.NewReplacer("SITE", site, "UPSTREAM", upstream, "LIMIT", limit).Replace(`
global
	nbthread 1
defaults
	mode http
	timeout connect 10s
	timeout client 1h
	timeout server 1h
	timeout http-keep-alive 1h
	http-reuse always
frontend site
	bind SITE
	LIMIT
	default_backend api
backend api
	server api UPSTREAM
`)
}
