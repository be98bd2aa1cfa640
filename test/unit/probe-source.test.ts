import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeSource, readWrittenSource } from '../../src/composition/probe-source.ts';
import { redact } from '../../src/core/redact.ts';

describe('probe - a source as it was written', () => {
  it('keeps placeholders as they are', () => {
    const source = 'rtsp://${LOBBY_USER}:${LOBBY_PASSWORD}@10.0.0.21:554/stream1?channel=1';
    assert.deepEqual(readWrittenSource(source), {
      concealed: source,
      variables: ['LOBBY_USER', 'LOBBY_PASSWORD'],
      invented: [],
    });
    assert.deepEqual(readWrittenSource('${CAMERA_URL}'), {
      concealed: '${CAMERA_URL}',
      variables: ['CAMERA_URL'],
      invented: [],
    });
  });

  it('puts placeholders in the place of credentials, however they were written', () => {
    const concealed = 'rtsp://${CAM_USER}:${CAM_PASSWORD}@10.0.0.21/stream1';
    for (const password of ['secret', 's%40cret', 's@cret', 'se/cr#et?', 'a:b']) {
      const written = readWrittenSource(`rtsp://viewer:${password}@10.0.0.21/stream1`);
      assert.deepEqual(
        written,
        { concealed, variables: ['CAM_USER', 'CAM_PASSWORD'], invented: ['CAM_USER', 'CAM_PASSWORD'] },
        password,
      );
    }
    assert.equal(readWrittenSource('http://viewer@cam/x').concealed, 'http://${CAM_USER}@cam/x');
    assert.deepEqual(readWrittenSource('rtsp://viewer:${P}@cam.local/x'), {
      concealed: 'rtsp://${CAM_USER}:${P}@cam.local/x',
      variables: ['CAM_USER', 'P'],
      invented: ['CAM_USER'],
    });
  });

  it('finds credentials in the path and in the query too', () => {
    assert.equal(
      readWrittenSource('rtsp://10.0.0.9:554/user=admin&password=tlJwpbo6&channel=1&stream=0.sdp?').concealed,
      'rtsp://10.0.0.9:554/user=${CAM_USER}&password=${CAM_PASSWORD}&channel=1&stream=0.sdp?',
    );
    assert.equal(
      readWrittenSource('rtsp://10.0.0.9/user=admin_password=tlJw_pbo6_channel=1_stream=0.sdp?real_stream').concealed,
      'rtsp://10.0.0.9/user=${CAM_USER}_password=${CAM_PASSWORD}_channel=1_stream=0.sdp?real_stream',
    );
    assert.equal(readWrittenSource('http://cam/video?token=abc&x=1').concealed, 'http://cam/video?token=${CAM_PASSWORD}&x=1');
  });

  it('finds secrets under whatever name cameras and servers give them', () => {
    const names =
      'auth key token sig sign authToken auth_key access_token apiKey api-key userpwd user_pw psw loginpas passwd PASSPHRASE sign X-Amz-Signature X-Amz-Credential hmacSig Authorization txSecret streamkey';
    for (const name of names.split(' ')) {
      for (const before of ['?', '?x=1&', '?x=1;', '#', '?x=1#', '/', '/x=1_'])
        assert.deepEqual(
          readWrittenSource(`http://cam/video${before}${name}=s3cr3t&y=2`),
          {
            concealed: `http://cam/video${before}${name}=\${CAM_PASSWORD}&y=2`,
            variables: ['CAM_PASSWORD'],
            invented: ['CAM_PASSWORD'],
          },
          before + name,
        );
      assert.doesNotMatch(redact(`cannot open http://cam/video?${name}=s3cr3t`), /s3cr3t/, `${name} in the log`);
    }
  });

  it('conceals the whole of a value, user and password in one too', () => {
    for (const [value, after] of [
      ['admin:secret', ''],
      ['ab/cd+e?f_gh==', ''],
      ['ab_cd=', '&x=1'],
      ['my secret', '&x=1'],
      ['secret', '/trackID=1'],
      ['secret', '_channel=1'],
    ])
      assert.equal(
        readWrittenSource(`http://cam/video?userpwd=${value}${after}`).concealed,
        `http://cam/video?userpwd=\${CAM_PASSWORD}${after}`,
      );
    assert.deepEqual(readWrittenSource('http://cam/?userpwd=${U}:${P}').invented, []);
  });

  it('gives different values different variables, none of them named in the source already', () => {
    assert.deepEqual(readWrittenSource('http://me:one@cam/?auth=SECRET&key=abc&pass=one'), {
      concealed: 'http://${CAM_USER}:${CAM_PASSWORD}@cam/?auth=${CAM_PASSWORD_2}&key=${CAM_PASSWORD_3}&pass=${CAM_PASSWORD}',
      variables: ['CAM_USER', 'CAM_PASSWORD', 'CAM_PASSWORD_2', 'CAM_PASSWORD_3'],
      invented: ['CAM_USER', 'CAM_PASSWORD', 'CAM_PASSWORD_2', 'CAM_PASSWORD_3'],
    });
    assert.deepEqual(
      readWrittenSource('rtsp://${CAM_USER}:${CAM_PASSWORD}@cam/?token=abc').concealed,
      'rtsp://${CAM_USER}:${CAM_PASSWORD}@cam/?token=${CAM_PASSWORD_2}',
    );
  });

  it('leaves alone settings that only sound secret, here and in the log', () => {
    const names =
      'keyframe key_frames keyint key-int-max keyInterval keyboard channel subtype author authority authmode auth_type signal design assign bypass passive passthrough compass pasture insight';
    for (const name of names.split(' ')) {
      const source = `rtsp://10.0.0.21/s?x=1&${name}=12`;
      assert.deepEqual(readWrittenSource(source), { concealed: source, variables: [], invented: [] });
      assert.equal(redact(source), source);
    }
  });

  it('leaves alone what has none', () => {
    for (const source of ['rtsp://10.0.0.21/stream1', '/films/lobby.mp4', 'gst:test-pattern', 'http://cam/video?user_id=1'])
      assert.deepEqual(readWrittenSource(source), { concealed: source, variables: [], invented: [] });
  });

  it('shows addresses without credentials and names cameras as the configuration can', () => {
    assert.deepEqual(describeSource('rtsp://viewer:secret@10.0.0.21:554/s?x=1', 'udp'), {
      shown: 'rtsp://10.0.0.21:554/s',
      transport: 'udp',
      name: 'camera-10-0-0-21',
    });
    assert.deepEqual(describeSource('http://Cam.Local/x', 'tcp'), {
      shown: 'http://Cam.Local/x',
      transport: 'http',
      name: 'camera-cam-local',
    });
    assert.equal(describeSource('rtsp://[fe80::1]/s', 'tcp').name, 'camera-fe80-1');
    assert.deepEqual(describeSource('/films/Lobby film.mp4', 'tcp'), {
      shown: '/films/Lobby film.mp4',
      transport: 'file',
      path: '/films/Lobby film.mp4',
      name: 'lobby-film',
    });
    assert.equal(describeSource('/films/.mp4', 'tcp').name, 'camera');
    assert.equal(describeSource('gst:test-pattern', 'tcp').transport, 'pipeline');
    assert.doesNotMatch(describeSource('rtsp://10.0.0.9/user=admin&password=tlJwpbo6&channel=1', 'tcp').shown, /tlJwpbo6/);
  });
});
