# After agent-and-proxy/autoauth, a single sink in HCL: in a `sinks` stanza.
auto_auth {
  method {
    type = "approle"

    config = {
      role_id_file_path = "/etc/shop/role-id"
      secret_id_file_path = "/etc/shop/secret-id"
    }
  }

  sinks {
    sink {
      type = "file"

      config = {
        path = "/tmp/shop/token"
      }
    }
  }
}
