// Package headwaterv1 is the public API: the generated messages and services, and the
// document that describes their REST face.
package headwaterv1

import _ "embed"

// OpenAPI is the OpenAPI 2 document of the REST face, as generated from the protos.
//
//go:embed openapi.swagger.json
var OpenAPI []byte
