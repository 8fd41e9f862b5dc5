# The generated Go code lies beside the protos and is committed: a user of the
# module needs no protoc, buf or npm.
GENERATORS = buf protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2

.PHONY: generate
generate: ## Regenerate the code and the OpenAPI document from proto/
	@bash .ci/tools.sh $(GENERATORS)
	@.tmp/bin/buf generate
