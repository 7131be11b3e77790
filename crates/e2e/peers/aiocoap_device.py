"""An LwM2M device on aiocoap, a CoAP library that we did not write. Its values travel as text, SenML JSON or
SenML CBOR (by cbor2); every other format is refused with 4.06 or 4.15.

    aiocoap_device.py SERVER_PORT ENDPOINT OLD_VERSION NEW_VERSION

It registers by Block1, serves objects 3 and 5, downloads what /5/0/1 names by Block2, "installs" it by saying
that it runs NEW_VERSION from then on, and tells what happens in lines of JSON.
"""
import asyncio
import hashlib
import json
import sys

import aiocoap
import aiocoap.resource as resource
import cbor2

TEXT, OPAQUE, LINKS, SENML_JSON, SENML_CBOR = 0, 42, 40, 110, 112
IDLE, DOWNLOADING, DOWNLOADED, UPDATING = range(4)

server_port, endpoint, old_version, new_version = sys.argv[1:5]


def tell(event, **facts):
    print(json.dumps({"event": event, **facts}), flush=True)


class Device:
    def __init__(self):
        self.values = {
            (3, 0, 0): "aiocoap", (3, 0, 1): "GM01Q", (3, 0, 2): "1", (3, 0, 3): old_version,
            (5, 0, 3): IDLE, (5, 0, 5): 0, (5, 0, 9): 0,
        }
        self.lists = {(5, 0, 8): {0: 0}}
        self.state_changed = asyncio.Event()
        self.context = None
        self.location = None

    def records(self, base):
        for path, value in sorted(self.values.items()):
            if path[:len(base)] == base:
                yield path, value
        for path, values in sorted(self.lists.items()):
            for number, value in values.items():
                full = path + (number,)
                if full[:len(base)] == base:
                    yield full, value

    def set_state(self, state, result=0):
        self.values[5, 0, 3], self.values[5, 0, 5] = state, result
        site.state.updated_state()
        tell("state", state=state, result=result)


def name(path):
    return "/" + "/".join(map(str, path))


def senml(records):
    pack = []
    for path, value in records:
        key = ("vs" if isinstance(value, str) else "v")
        pack.append({"n": name(path), key: value})
    return pack


CBOR_LABELS = {"n": 0, "v": 2, "vs": 3}


def answer(request, base):
    found = list(device.records(base))
    if not found:
        return aiocoap.Message(code=aiocoap.NOT_FOUND)
    wanted = request.opt.accept
    if wanted in (None, TEXT) and len(base) >= 3 and base not in device.lists:
        return aiocoap.Message(payload=str(found[0][1]).encode(), content_format=TEXT)
    if wanted in (None, SENML_JSON):
        return aiocoap.Message(payload=json.dumps(senml(found)).encode(), content_format=SENML_JSON)
    if wanted == SENML_CBOR:
        pack = [{CBOR_LABELS[key]: value for key, value in record.items()} for record in senml(found)]
        return aiocoap.Message(payload=cbor2.dumps(pack), content_format=SENML_CBOR)
    return aiocoap.Message(code=aiocoap.NOT_ACCEPTABLE)


def text_of(request):
    return request.payload.decode() if request.opt.content_format == TEXT else None


class Anything(resource.Resource, resource.PathCapable):
    async def render_get(self, request):
        return answer(request, tuple(int(part) for part in request.opt.uri_path))

    async def render_put(self, request):
        path = tuple(int(part) for part in request.opt.uri_path)
        text = text_of(request)
        if text is None:
            return aiocoap.Message(code=aiocoap.UNSUPPORTED_CONTENT_FORMAT)
        if path != (5, 0, 1):
            return aiocoap.Message(code=aiocoap.METHOD_NOT_ALLOWED)
        if text:
            device.set_state(DOWNLOADING)
            asyncio.ensure_future(download(text))
        else:
            device.set_state(IDLE)
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_post(self, request):
        path = tuple(int(part) for part in request.opt.uri_path)
        if path == (5, 0, 2) and device.values[5, 0, 3] == DOWNLOADED:
            device.set_state(UPDATING)
            asyncio.ensure_future(install())
            return aiocoap.Message(code=aiocoap.CHANGED)
        return aiocoap.Message(code=aiocoap.METHOD_NOT_ALLOWED)


class State(resource.ObservableResource):
    async def render_get(self, request):
        return answer(request, (5, 0, 3))


class Site(resource.Site):
    """/5/0/3 can be observed, everything else is found by its path."""

    def __init__(self):
        super().__init__()
        self.state = State()
        self.anything = Anything()
        self.add_resource(["5", "0", "3"], self.state)

    def _find_child_and_pathstripped_message(self, request):
        if request.opt.uri_path == ("5", "0", "3"):
            return super()._find_child_and_pathstripped_message(request)
        return self.anything, request


async def ask(code, path, **more):
    message = aiocoap.Message(code=code, uri=f"coap://127.0.0.1:{server_port}{path}", **more)
    return await device.context.request(message).response


async def register():
    # Long enough for several blocks of 1,024 bytes.
    links = ['</>;rt="oma.lwm2m"', "</3/0>", "</5/0>"] + [f"</19/{number}>" for number in range(200)]
    query = f"/rd?ep={endpoint}&lt=300&lwm2m=1.1&b=U"
    response = await ask(aiocoap.POST, query, payload=",".join(links).encode(), content_format=LINKS)
    device.location = "/" + "/".join(response.opt.location_path)
    tell("registered", code=str(response.code), location=device.location)


async def download(uri):
    request = aiocoap.Message(code=aiocoap.GET, uri=uri)
    response = await device.context.request(request).response
    digest = hashlib.sha256(response.payload).hexdigest()
    tell("downloaded", code=str(response.code), bytes=len(response.payload), sha256=digest)
    device.set_state(DOWNLOADED)


async def install():
    await asyncio.sleep(0.2)
    device.values[3, 0, 3] = new_version
    device.set_state(IDLE, 1)
    await register()


async def main():
    global device, site
    device = Device()
    site = Site()
    device.context = await aiocoap.Context.create_server_context(site, bind=("127.0.0.1", 0))
    await register()
    while True:
        await asyncio.sleep(60)
        response = await ask(aiocoap.POST, device.location)
        tell("updated", code=str(response.code))


asyncio.run(main())
