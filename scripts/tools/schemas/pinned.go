//go:build pinned

package main

// Nothing of it is compiled: its folder has Kubernetes' API as OpenAPI.
import _ "k8s.io/client-go/openapi/openapitest"
