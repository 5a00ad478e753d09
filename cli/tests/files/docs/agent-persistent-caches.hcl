# After agent-and-proxy/agent/caching/persistent-caches: the label says of which type it is.
cache {
  persist "kubernetes" {
    path = "/var/cache/agent"
  }
}
