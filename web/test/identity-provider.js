// A stand-in for an identity provider: OpenID Connect on the loopback, with PKCE.

import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const CLIENT_ID = "bottrading-page";
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

/** Start it; everybody who is sent to it is signed in as Ada. */
export async function startProvider() {
  const grants = new Map();
  /** Claims that are changed in the next tokens. */
  const claims = {};
  let issuer;

  const authorize = (asked, response) => {
    const code = `code-${grants.size}`;
    grants.set(code, Object.fromEntries(asked));
    const back = new URL(asked.get("redirect_uri"));
    back.searchParams.set("code", code);
    back.searchParams.set("state", asked.get("state"));
    response.writeHead(302, { location: back.href }).end();
  };
  const exchange = (form) => {
    const grant = grants.get(form.get("code"));
    const challenge = createHash("sha256").update(form.get("code_verifier")).digest("base64url");
    if (grant?.code_challenge !== challenge) return [400, { error: "invalid_grant" }];
    const now = Math.floor(Date.now() / 1_000);
    const own = { iss: issuer, aud: CLIENT_ID, sub: "ada", name: "Ada", iat: now, exp: now + 600 };
    return [200, { id_token: token({ ...own, nonce: grant.nonce, ...claims }) }];
  };
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, issuer);
    const answer = (status, body) => response.writeHead(status).end(JSON.stringify(body));
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return answer(200, {
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
        });
      case "/keys":
        return answer(200, { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "1", use: "sig" }] });
      case "/authorize":
        return authorize(url.searchParams, response);
      case "/token": {
        const body = await request.toArray();
        return answer(...exchange(new URLSearchParams(Buffer.concat(body).toString())));
      }
      default:
        return answer(404, {});
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  issuer = `http://127.0.0.1:${server.address().port}`;
  return {
    claims,
    settings: {
      BOTTRADING_JWT_JWKS: `${issuer}/keys`,
      BOTTRADING_JWT_ISSUER: issuer,
      BOTTRADING_JWT_AUDIENCE: CLIENT_ID,
      BOTTRADING_OIDC_ISSUER: issuer,
      BOTTRADING_OIDC_CLIENT_ID: CLIENT_ID,
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "ES256", kid: "1" })}.${part(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}
