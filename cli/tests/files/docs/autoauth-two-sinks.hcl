# After agent-and-proxy/autoauth, several sinks in HCL.
auto_auth {
  method {
    type = "approle"

    config = {
      role_id_file_path = "/etc/shop/role-id"
      secret_id_file_path = "/etc/shop/secret-id"
    }
  }

  sink {
    type = "file"

    config = {
      path = "/tmp/shop/token"
    }
  }

  sink {
    type = "file"

    config = {
      path = "/tmp/shop/token-2"
    }
  }
}
