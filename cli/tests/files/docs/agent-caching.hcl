# After agent-and-proxy/agent/caching: a cache on disk, a listener for all and one for metrics.
cache {
	persist = {
		type = "kubernetes"
		path = "/var/cache/agent/"
		keep_after_import = true
		exit_on_err = true
		service_account_token_file = "/run/account/jwt"
	}
}

listener "tcp" {
    address = "127.0.0.1:8007"
    tls_disable = true
}

listener "tcp" {
    address = "127.0.0.1:3007"
    tls_disable = true
    role = "metrics_only"
}
