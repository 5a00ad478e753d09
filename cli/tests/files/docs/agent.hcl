# After agent-and-proxy/agent: one of everything.
pid_file = "./agent.pid"

vault {
  address = "https://bao.example:8200"
  retry {
    num_retries = 4
  }
}

auto_auth {
  method "kubernetes" {
    config = {
      role = "shop"
    }
  }

  sink "file" {
    config = {
      path = "/run/shop/token"
    }
  }

  sink "file" {
    wrap_ttl = "3m"
    aad_env_var = "SHOP_AAD"
    dh_type = "curve25519"
    dh_path = "/run/shop/public-key"
    config = {
      path = "/run/shop/wrapped"
    }
  }
}

cache {
  // nothing in it
}

api_proxy {
  use_auto_auth_token = true
}

listener "unix" {
  address = "/run/shop/agent.sock"
  tls_disable = true

  agent_api {
    enable_quit = true
  }
}

listener "tcp" {
  address = "127.0.0.1:8007"
  tls_disable = true
}

template {
  source = "/etc/shop/key.ctmpl"
  destination = "/etc/shop/key"
}

template {
  source = "/etc/shop/crt.ctmpl"
  destination = "/etc/shop/crt"
}
