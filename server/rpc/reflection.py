"""Server reflection under both names: v1, which new clients use, and v1alpha.

The library has only v1alpha. v1 differs from it only in the name of its package.
"""

from collections.abc import Iterable

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

ALPHA = reflection_pb2.DESCRIPTOR.package
V1 = ALPHA.removesuffix("alpha")


def enable_reflection(services: Iterable[str], server: grpc.aio.Server) -> None:
    """Let clients ask the server for the descriptors of its services."""
    _add_v1_to_pool()
    names = [*services, f"{V1}.ServerReflection", reflection.SERVICE_NAME]
    servicer = reflection.aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, server)
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": info}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(f"{V1}.ServerReflection", handlers),)
    )


def _add_v1_to_pool() -> None:
    """Let the reflection service describe itself too."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    text = text_format.MessageToString(file)
    renamed = text.replace(ALPHA, V1).replace("/v1alpha/", "/v1/")
    descriptor_pool.Default().Add(text_format.Parse(renamed, descriptor_pb2.FileDescriptorProto()))
