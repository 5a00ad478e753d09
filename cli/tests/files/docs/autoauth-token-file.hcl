# After agent-and-proxy/autoauth/methods/token_file.
pid_file = "./agent.pid"

vault {
  address = "https://127.0.0.1:8200"
}

auto_auth {
  method {
    type = "token_file"

    config = {
      token_file_path = "/home/me/first-token"
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
