# After agent-and-proxy/autoauth/methods/approle: two sinks, one of them wrapped.
pid_file = "./agent.pid"

vault {
  address = "https://127.0.0.1:8200"
}

auto_auth {
  method {
    type      = "approle"

    config = {
      role_id_file_path = "role-id"
      secret_id_file_path = "secret-id"
      remove_secret_id_file_after_reading = false
    }
  }

  sink {
    type = "file"
    wrap_ttl = "20m"
    config = {
      path = "wrapped"
    }
  }

  sink {
    type = "file"
    config = {
      path = "token"
    }
  }
}


api_proxy {
  use_auto_auth_token = true
}

listener "tcp" {
  address = "127.0.0.1:8007"
  tls_disable = true
}

template {
  source      = "/etc/shop/key.ctmpl"
  destination = "/etc/shop/key"
}
