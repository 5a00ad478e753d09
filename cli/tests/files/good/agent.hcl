# What many have for `bao agent`, and runs as it is.
pid_file = "/run/shop/agent.pid"
log_level = "warn"

vault {
  address = "https://bao.example:8200"
  ca_cert = "/etc/ssl/bao.pem"
}

auto_auth {
  method "approle" {
    mount_path = "auth/approle"
    min_backoff = "2s"
    max_backoff = 60
    config = {
      role_id_file_path   = "/etc/shop/role-id"
      secret_id_file_path = "/etc/shop/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
  sink "file" {
    config = {
      path = "/run/shop/token"
      mode = 0600
    }
  }
}

cache {}
