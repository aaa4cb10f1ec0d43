"""What a bridge keeps of the way that it has gone."""

from typing import Annotated

import msgspec

from marketpulse.contract.wire import CONTRACT_VERSION, Version


class PositionRecord(msgspec.Struct, frozen=True):
    """How far a partition of a foreign topic is bridged; key: JSON of source, topic and partition."""

    next: Annotated[int, msgspec.Meta(ge=0, description="offset of the first record that is not bridged yet")]
    v: Version = CONTRACT_VERSION
